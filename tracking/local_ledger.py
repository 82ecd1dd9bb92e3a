"""The ledger in a SQLite file: embedded mode's, shared by the processes of one machine.

The file is not synced to the disk (`synchronous = OFF`): it survives a process; a power cut costs memory of sessions.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from engine.feed_types import KINDS, Seen
from tracking.events import Event
from tracking.ledger import (
    MARK_SECONDS,
    MARKS,
    MOST_FEEDS,
    MOST_HIDDEN,
    MOST_RECENT,
    MOST_WATCHED,
    NOTHING_MISSED,
    SESSION_SECONDS,
    SHOWN_SECONDS,
    LedgerUnavailableError,
    Missed,
    seen_of,
    session_name,
    unpack_feed,
)
from tracking.served import Served
from tracking.sqlite_files import write_ahead

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
OPEN_SECONDS, BUSY_SHARE = 1.0, 0.4
"""Least time for the first call; the share of a call's time that it may wait for another process's write."""
PURGE_EVERY = 256
SCHEMA = """
CREATE TABLE IF NOT EXISTS served (
  id INTEGER PRIMARY KEY, user_id INTEGER, session TEXT, feed_id TEXT, items BLOB, at REAL) STRICT;
CREATE INDEX IF NOT EXISTS served_session ON served (session, id);
CREATE INDEX IF NOT EXISTS served_user ON served (user_id, id);
CREATE INDEX IF NOT EXISTS served_at ON served (at);
CREATE TABLE IF NOT EXISTS marks (
  user_id INTEGER, mark TEXT, item TEXT, at REAL, PRIMARY KEY (user_id, mark, item)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS marks_at ON marks (at);
"""
SESSION = "SELECT id, items, at FROM served WHERE session = ? ORDER BY id DESC LIMIT ?"
RECENT = "SELECT feed_id, items FROM served WHERE user_id = ? AND at >= ? ORDER BY id DESC LIMIT ?"
MARKED = "SELECT item FROM marks WHERE user_id = ? AND mark = ? ORDER BY at DESC LIMIT ?"
SERVE = "INSERT INTO served (user_id, session, feed_id, items, at) VALUES (?, ?, ?, ?, ?)"
MARK = """
INSERT INTO marks (user_id, mark, item, at) VALUES (?, ?, ?, ?)
ON CONFLICT (user_id, mark, item) DO UPDATE SET at = max(at, excluded.at)
"""


class LocalLedger:
    """Sessions and viewers in the file at `path`. A call takes at most `timeout` seconds; the first one opens the file
    and may take a second if that is more. `clock` is seconds since 1970.

    One thread does the file's work, so the event loop never waits for it.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time, *, timeout: float = 0.25) -> None:
        self._path, self._clock, self._served = path, clock, 0
        self._timeout, self._open_timeout = timeout, max(timeout, OPEN_SECONDS)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._connection: sqlite3.Connection | None = None

    async def read(self, user_id: int, session_id: str, missed: Missed = NOTHING_MISSED) -> Seen:
        """What counts for the next feed; see `Ledger`."""

        def work(file: sqlite3.Connection) -> Seen:
            feeds = file.execute(SESSION, (session_name(user_id, session_id), MOST_FEEDS)).fetchall()
            if not feeds or feeds[0][2] < self._clock() - SESSION_SECONDS:
                feeds = []
            watched = file.execute(MARKED, (user_id, "watched", MOST_WATCHED)).fetchall()
            hidden = file.execute(MARKED, (user_id, "hidden", MOST_HIDDEN)).fetchall()
            marks = {"watched": _items(watched), "hidden": _items(hidden)}
            return seen_of([items for _, items, _ in reversed(feeds)], **marks, missed=missed)

        return await self._run(work)

    def served(self, served: Served) -> Awaitable[None]:
        """A feed was served; see `Ledger`."""
        user_id, kept = served.user_id, served.packed.kept
        row = (user_id, session_name(user_id, served.session_id), served.feed_id, kept, self._clock())

        def work(file: sqlite3.Connection) -> None:
            file.execute(SERVE, row)
            if self._served % PURGE_EVERY == 0:
                file.execute("DELETE FROM served WHERE at < ?", (self._clock() - SHOWN_SECONDS,))
                file.execute("DELETE FROM marks WHERE at < ?", (self._clock() - MARK_SECONDS,))
            self._served += 1

        return asyncio.ensure_future(self._run(work, writes=True))

    async def acted(self, events: Sequence[Event]) -> None:
        """Viewers watched and hid; see `Ledger`."""
        now = self._clock()
        rows = [
            (event.user_id, MARKS[event.event_type], event.item, now + place * 1e-6)  # in their order
            for place, event in enumerate(events)
            if event.event_type in MARKS and event.item
        ]

        def work(file: sqlite3.Connection) -> None:
            for row in rows:
                file.execute(MARK, row)

        if rows:
            await self._run(work, writes=True)

    async def latest_feeds(self, events: Sequence[Event]) -> Mapping[str, str]:
        """The feeds that showed these events' items; see `Ledger`."""
        viewers = {event.user_id for event in events}

        def work(file: sqlite3.Connection) -> dict[int, dict[str, str]]:
            since = self._clock() - SHOWN_SECONDS
            return {user_id: _shown(file.execute(RECENT, (user_id, since, MOST_RECENT))) for user_id in viewers}

        shown = await self._run(work)
        found = {event.event_id: shown[event.user_id].get(event.item or "") for event in events}
        return {event_id: feed_id for event_id, feed_id in found.items() if feed_id}

    async def close(self) -> None:
        """Close the file."""
        await asyncio.to_thread(self._thread.shutdown)
        if self._connection:
            self._connection.close()

    async def _run(self, work: Callable[[sqlite3.Connection], Result], *, writes: bool = False) -> Result:
        """One transaction in the ledger's thread, within the time limit.

        A write takes the file's lock before its first statement: a statement that meets the lock half-way fails in ways
        that cannot be repeated.
        """

        def done() -> Result:
            connection = self._connection = self._connection or self._open()
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            try:
                result = work(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            return result

        try:
            async with asyncio.timeout(self._timeout if self._connection else self._open_timeout):
                return await asyncio.get_running_loop().run_in_executor(self._thread, done)
        except (sqlite3.Error, OSError, TimeoutError, RuntimeError) as error:
            raise LedgerUnavailableError(f"{self._path.name}: {type(error).__name__}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._prepared()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            aside = self._path.with_name(f"{self._path.name}.damaged")
            logger.error("%s is damaged (%s): it is now %s, and a new one is begun", self._path, error, aside)
            self._path.replace(aside)
            return self._prepared()

    def _prepared(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._open_timeout / 2, check_same_thread=False, isolation_level=None
        )
        write_ahead(connection, self._open_timeout / 2)
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(SCHEMA)
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SHARE * self._timeout * 1000)}")
        return connection


def _shown(rows: sqlite3.Cursor) -> dict[str, str]:
    """Item to the latest feed that showed it, from rows that are newest first."""
    found = dict[str, str]()
    for feed_id, packed in rows:
        with suppress(ValueError):  # what cannot be read showed nothing
            ids, _, is_flow = unpack_feed(packed)
            for number, flow in zip(ids, is_flow, strict=True):
                found.setdefault(f"{KINDS[flow]}:{number}", feed_id)
    return found


def _items(rows: Sequence[tuple[str]]) -> list[bytes]:
    return [item.encode() for (item,) in rows]
