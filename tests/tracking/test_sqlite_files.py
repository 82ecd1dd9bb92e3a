"""New files that several open at once."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tracking.sqlite_files import write_ahead


def opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=5.0, check_same_thread=False)


def test_whoever_opens_a_new_file_at_the_same_moment_gets_it(tmp_path: Path) -> None:
    together = threading.Barrier(4)

    def begin(path: Path) -> str:
        connection = opened(path)
        together.wait()
        write_ahead(connection, 60.0)
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        connection.close()
        return str(mode)

    with ThreadPoolExecutor(4) as threads:
        for number in range(50):
            assert list(threads.map(begin, [tmp_path / f"{number}.sqlite"] * 4)) == ["wal"] * 4


def test_a_file_that_stays_locked_is_told_in_time(tmp_path: Path) -> None:
    holder, other = opened(tmp_path / "a.sqlite"), opened(tmp_path / "a.sqlite")
    holder.execute("BEGIN EXCLUSIVE")
    other.execute("PRAGMA busy_timeout = 0")
    begin = time.monotonic()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        write_ahead(other, 0.2)
    assert time.monotonic() - begin < 5.0
    holder.close()
    other.close()


def test_a_file_that_is_no_database_is_not_tried_again(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").write_bytes(b"no database " * 100)
    connection = opened(tmp_path / "a.sqlite")
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        write_ahead(connection, 5.0)
    connection.close()
