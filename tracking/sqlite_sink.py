"""The logs in a SQLite file: embedded mode's sink."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tracking.sql_sink import Cursor, Dialect, Row, SqlSink
from tracking.sqlite_files import write_ahead

BUSY_SECONDS = 10.0


@contextmanager
def _alone(cursor: Cursor, table: str) -> Iterator[None]:
    """SQLite has one writer at a time, so ids commit in their order by themselves."""
    yield


def _insert(cursor: Cursor, into: str, rows: Sequence[Row], keep: str) -> None:
    marks = ", ".join("?" * len(rows[0]))
    cursor.executemany(f"{into}({marks}) {keep}", rows)


DIALECT = Dialect(
    mysql=False,
    placeholder="?",
    insert=_insert,
    keep="ON CONFLICT(`{key}`) DO NOTHING",
    errors=sqlite3.Error,
    refused=lambda error: isinstance(error, sqlite3.IntegrityError | sqlite3.DataError),
    exclusive=_alone,
)


class SqliteSink(SqlSink):
    """The logs in the file at `path`; a commit is on the disk before it returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(self._open, DIALECT)
        self.create_tables()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, check_same_thread=False)
        write_ahead(connection, BUSY_SECONDS)
        connection.execute("PRAGMA synchronous = FULL")
        return connection
