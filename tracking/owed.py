"""What the ledger did not take while it was away: kept in this worker, counted meanwhile, and told when it is back.

A hide that a client was told is accepted must count, and pages of one scroll must not repeat each other, although Redis
did not answer for a while. A worker that ends meanwhile takes along what it owes.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from engine.feed_types import NOTHING_SEEN, Seen
from tracking.events import Event
from tracking.ledger import MARKS, Ledger, LedgerUnavailableError, session_name
from tracking.served import Served

log = logging.getLogger(__name__)
MOST_FEEDS, MOST_EVENTS = 1_000, 10_000
AT_ONCE, RETRY_SECONDS = 100, 1.0


class Owed:
    """Belongs to one event loop. Beyond `MOST_FEEDS` feeds or `MOST_EVENTS` acts the oldest are given up.

    What an exchange that timed out did take is told again: acts count once, and a page that a session holds twice takes
    only room.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._feeds: dict[str, Served] = {}
        self._events: dict[str, Event] = {}
        self._lock = asyncio.Lock()
        self._retrying: asyncio.Task[None] | None = None
        self.given_up = 0
        """How many were never told."""

    def __len__(self) -> int:
        return len(self._feeds) + len(self._events)

    def feed(self, served: Served) -> None:
        """The ledger did not take this feed."""
        self._feeds[served.feed_id] = served
        self._bound(self._feeds, MOST_FEEDS)
        self._retry()

    def acts(self, events: Sequence[Event]) -> None:
        """The ledger did not take these acts."""
        self._events |= {event.event_id: event for event in events if event.event_type in MARKS and event.item}
        self._bound(self._events, MOST_EVENTS)
        self._retry()

    def seen(self, user_id: int, session_id: str) -> Seen:
        """What is known of a session and a viewer without the ledger."""
        session, marks = session_name(user_id, session_id), dict[str, list[bytes]](watched=[], hidden=[])
        pages = [
            one.packed.kept for one in self._feeds.values() if session_name(one.user_id, one.session_id) == session
        ]
        for event in self._events.values():
            if event.user_id == user_id and event.item:
                marks[MARKS[event.event_type]].append(event.item.encode())
        return Seen.read(pages, **marks) if pages or any(marks.values()) else NOTHING_SEEN

    async def settle(self) -> None:
        """Tell the ledger. Raises LedgerUnavailableError; what it has not taken by then is still owed."""
        async with self._lock:
            while self._events:
                some = dict(list(self._events.items())[:AT_ONCE])
                await self._ledger.acted(list(some.values()))
                for name in some:
                    self._events.pop(name, None)
            while self._feeds:
                pages = dict(list(self._feeds.items())[:AT_ONCE])
                failures = await asyncio.gather(
                    *(self._ledger.served(page) for page in pages.values()), return_exceptions=True
                )
                for name, failure in zip(pages, failures, strict=True):
                    if failure is None or not isinstance(failure, BaseException):
                        self._feeds.pop(name, None)
                for failure in failures:
                    if isinstance(failure, BaseException):
                        raise failure

    async def close(self) -> None:
        """A last try."""
        if self._retrying:
            self._retrying.cancel()
        with suppress(LedgerUnavailableError):
            await self.settle()

    def _bound(self, owed: "dict[str, Served] | dict[str, Event]", most: int) -> None:
        while len(owed) > most:
            owed.pop(next(iter(owed)))
            if not self.given_up:
                log.warning("the memory of sessions is away for so long that the oldest of what it missed is given up")
            self.given_up += 1

    def _retry(self) -> None:
        """Try again soon, also when no request comes."""
        if self._retrying is None or self._retrying.done():
            self._retrying = asyncio.get_running_loop().create_task(self._keep_trying(), name="owed")

    async def _keep_trying(self) -> None:
        while len(self):
            await asyncio.sleep(RETRY_SECONDS)
            with suppress(LedgerUnavailableError):
                await self.settle()
