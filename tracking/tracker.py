"""All that the API asks of tracking: accept events, record a feed, say what was seen, count what waits."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from engine.feed_types import Seen
from tracking.buffer import Buffer, BufferFullError, BufferUnavailableError, Waiting
from tracking.events import Event, Rejection, parse
from tracking.ledger import MARKS, NOTHING_MISSED, Ledger, LedgerDamagedError, LedgerUnavailableError, seen_of
from tracking.outages import Outages
from tracking.owed import Owed
from tracking.recorder import ALL_KEPT, EachRecorder, Recorder, records_of
from tracking.served import Served

BUFFER, LEDGER = "activity_buffer", "session_ledger"
"""The names of degraded parts, in answers and in `Tracker.problems`."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a call's events. `durability` says where they lie now: `redis` or `local`."""

    accepted: int
    duplicates: int
    rejected: tuple[Rejection, ...]
    durability: str


class Tracker:
    """The API's side of tracking; it belongs to one event loop.

    Parameters
    ----------
    buffer : where records go: Redis where there is one, else the spool
    spool : where they go when that does not answer (may be the same object)
    ledger : the memory of sessions
    recorder : tells buffer and ledger of feeds and events; each by itself unless given
    """

    def __init__(self, *, buffer: Buffer, spool: Buffer, ledger: Ledger, recorder: Recorder | None = None) -> None:
        self._buffer, self._spool, self._ledger = buffer, spool, ledger
        self._recorder = recorder or EachRecorder(buffer, ledger)
        self._owed, self._outages = Owed(ledger), Outages()
        self.problems: Counter[str] = Counter()
        """How often each part did not answer, for /health and /metrics."""

    async def accept(self, raw_events: Sequence[object], now: datetime) -> Accepted:
        """Make a client's events durable, and let them count on the viewers' next feeds.

        Raises BufferFullError or BufferUnavailableError when not even the local disk takes them: nothing was accepted,
        and nothing counts.
        """
        parsed = [parse(raw, index, now) for index, raw in enumerate(raw_events)]
        rejected = tuple(one for one in parsed if isinstance(one, Rejection))
        events = {one.event_id: one for one in reversed(parsed) if isinstance(one, Event)}
        repeated = len(parsed) - len(rejected) - len(events)
        if not events:
            return Accepted(0, repeated, rejected, self._buffer.durability)
        placed = await self._with_feeds(list(reversed(events.values())))
        known, durability = await self._take(placed)
        return Accepted(len(events) - len(known), repeated + len(known), rejected, durability)

    async def record(self, served: Served) -> list[str]:
        """Keep what was served: the decision record, the feed request as an activity, the session. Never raises for a
        part that is away: the names of those that did not answer are returned.
        """
        kept = await self._recorder.keep(served)
        if kept is ALL_KEPT:
            if self._outages.away:
                self._outages.answered(BUFFER, LEDGER)
            return []
        degraded = []
        if kept.unrecorded is None:
            self._outages.answered(BUFFER)
        else:
            self._problem(BUFFER, kept.unrecorded)
            degraded.append(BUFFER)
            if self._spool is not self._buffer:
                with suppress(BufferUnavailableError, BufferFullError):
                    await self._spool.push(records_of(served), durable=False)
        if kept.forgotten is None:
            self._outages.answered(LEDGER)
        else:
            self._problem(LEDGER, kept.forgotten)
            if not isinstance(kept.forgotten, LedgerDamagedError):
                self._owed.feed(served)
            degraded.append(LEDGER)
        return degraded

    async def seen(self, user_id: int, session_id: str) -> tuple[Seen, list[str]]:
        """What the session was served and the viewer watched and hid; when the ledger is away what this worker still
        owes it, and the ledger's name.
        """
        missed = self._owed.missed(user_id, session_id) if self._owed.anything else NOTHING_MISSED
        try:
            seen = await self._ledger.read(user_id, session_id, missed)
        except LedgerUnavailableError as error:
            self._problem(LEDGER, error, reading=True)
            return seen_of((), (), (), missed), [LEDGER]
        if self._outages.away:
            self._outages.answered(LEDGER, reading=True)
        return seen, []

    async def backlog(self) -> dict[str, Waiting | None]:
        """What waits to be flushed, by durability; None where it cannot be told now."""
        found: dict[str, Waiting | None] = {}
        for buffer in dict.fromkeys((self._buffer, self._spool)):
            try:
                found[buffer.durability] = await asyncio.to_thread(buffer.waiting)
            except BufferUnavailableError:
                found[buffer.durability] = None
        return found

    async def close(self) -> None:
        """Finish what is being written and let go of files and connections."""
        for buffer in dict.fromkeys((self._buffer, self._spool)):
            await buffer.close()
        await self._owed.close()
        await self._ledger.close()

    async def _with_feeds(self, events: list[Event]) -> list[Event]:
        """The events, each that names no feed with the viewer's latest one that showed its item."""
        feedless = [event for event in events if event.feed_id is None]
        if not feedless:
            return events
        try:
            feeds = await self._ledger.latest_feeds(feedless)
        except LedgerUnavailableError as error:
            self._problem(LEDGER, error, reading=True)
            return events
        self._outages.answered(LEDGER, reading=True)
        return [replace(event, feed_id=event.feed_id or feeds.get(event.event_id)) for event in events]

    async def _take(self, events: list[Event]) -> tuple[frozenset[str], str]:
        """Keep the events, in the spool where the buffer does not answer: ids known already, and where they lie."""
        try:
            taken, durability = await self._recorder.take(events), self._buffer.durability
            self._outages.answered(BUFFER)
        except (BufferUnavailableError, BufferFullError) as error:
            self._problem(BUFFER, error)
            if self._spool is self._buffer:
                raise
            taken, durability = await EachRecorder(self._spool, self._ledger).take(events), self._spool.durability
        if taken.forgotten is not None:
            self._problem(LEDGER, taken.forgotten)
            if not isinstance(taken.forgotten, LedgerDamagedError):
                self._owed.acts(events)
        elif self._outages.away and any(event.event_type in MARKS and event.item for event in events):
            self._outages.answered(LEDGER)
        return taken.known, durability

    def _problem(self, name: str, error: BaseException, *, reading: bool = False) -> None:
        self.problems[name] += 1
        self._outages.failed(name, error, reading=reading)
