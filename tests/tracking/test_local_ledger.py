"""The local ledger beside processes that keep its file busy, and on a file that is not a database."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from engine.feed_types import Seen
from tests.tracking.worlds import event, served
from tracking.ledger import LedgerUnavailableError
from tracking.local_ledger import BUSY_SHARE, LocalLedger

WRITER = """
import asyncio, sys
from pathlib import Path
from tests.tracking.worlds import event, served
from tracking.local_ledger import LocalLedger

async def write(first):
    ledger = LocalLedger(Path(sys.argv[1]), timeout=5.0)
    for video in range(first, first + 300):
        await ledger.acted([event(video, "hide", video_id=video)])
    await ledger.close()

asyncio.run(write(int(sys.argv[2])))
"""


def test_a_busy_file_costs_a_write_not_the_feed_and_reading_goes_on(tmp_path: Path) -> None:
    async def story() -> tuple[Seen, Seen]:
        ledger = LocalLedger(tmp_path / "sessions.sqlite", timeout=2.0)
        await ledger.served(served("f1", "AU:5"))
        with closing(sqlite3.connect(tmp_path / "sessions.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            begun = time.monotonic()
            with pytest.raises(LedgerUnavailableError, match="locked"):
                await ledger.served(served("f2", "AU:6"))
            assert time.monotonic() - begun >= BUSY_SHARE * 2.0
            during = await ledger.read(7, "7:1")
            other.execute("ROLLBACK")
        await ledger.served(served("f3", "AU:7"))
        after = await ledger.read(7, "7:1")
        await ledger.close()
        return during, after

    during, after = asyncio.run(story())
    assert during.served_videos == (5,)
    assert after.served_videos == (5, 7)


def test_two_processes_that_write_at_once_lose_no_hide(tmp_path: Path) -> None:
    path = tmp_path / "sessions.sqlite"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(first)]) for first in (1, 1001)]
    assert [writer.wait(60) for writer in writers] == [0, 0]

    async def read() -> int:
        ledger = LocalLedger(path, timeout=5.0)
        seen = await ledger.read(7, "7:1")
        await ledger.close()
        return len(seen.hidden_videos)

    assert asyncio.run(read()) == 600


def test_a_file_that_is_no_database_is_set_aside_and_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "sessions.sqlite"
    path.write_bytes(b"garbage, long enough to be looked at as a header of a database" * 20)

    async def hide() -> tuple[int, ...]:
        ledger = LocalLedger(path, timeout=5.0)
        await ledger.acted([event(1, "hide", video_id=5)])
        seen = await ledger.read(7, "7:1")
        await ledger.close()
        return seen.hidden_videos

    assert asyncio.run(hide()) == (5,)
    assert (tmp_path / "sessions.sqlite.damaged").exists()


def test_a_mark_holds_for_180_days_after_it_arrived_though_the_clock_goes_back_a_little(tmp_path: Path) -> None:
    clock = [1e9]

    async def story() -> list[tuple[int, ...]]:
        found = []
        ledger = LocalLedger(tmp_path / "sessions.sqlite", lambda: clock[0], timeout=5.0)
        await ledger.acted([event(1, "hide", video_id=5)])
        clock[0] -= 3600.0
        await ledger.acted([event(2, "hide", video_id=5)])
        await ledger.close()
        for days in (180.0, 180.1):
            clock[0] = 1e9 + days * 86_400
            ledger = LocalLedger(tmp_path / "sessions.sqlite", lambda: clock[0], timeout=5.0)
            await ledger.served(served("f1", "AU:6"))
            found.append((await ledger.read(7, "7:1")).hidden_videos)
            await ledger.close()
        return found

    assert asyncio.run(story()) == [(5,), ()]
