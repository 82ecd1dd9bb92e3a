"""The local ledger beside a process that keeps its file busy."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.feed_types import Seen
from tests.tracking.worlds import feed
from tracking.ledger import LedgerUnavailableError
from tracking.local_ledger import LocalLedger


def test_a_busy_file_costs_a_write_not_the_feed_and_reading_goes_on(tmp_path: Path) -> None:
    async def story() -> tuple[Seen, Seen]:
        ledger = LocalLedger(tmp_path / "sessions.sqlite")
        await ledger.served(7, "7:1", "f1", feed("AU:5"))
        with closing(sqlite3.connect(tmp_path / "sessions.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerUnavailableError, match="locked"):
                await ledger.served(7, "7:1", "f2", feed("AU:6"))
            during = await ledger.read(7, "7:1")
            other.execute("ROLLBACK")
        await ledger.served(7, "7:1", "f3", feed("AU:7"))
        after = await ledger.read(7, "7:1")
        await ledger.close()
        return during, after

    during, after = asyncio.run(story())
    assert during.served_videos == (5,)
    assert after.served_videos == (5, 7)
