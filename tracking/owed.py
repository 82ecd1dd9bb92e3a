"""What the ledger did not take while it was away: kept in this worker, counted meanwhile, and told when it is back.

A hide that a client was told is accepted must count, and pages of one scroll must not repeat each other, although Redis
did not answer for a while. A worker that ends meanwhile takes along what it owes.
"""

import asyncio
import logging
from collections.abc import Hashable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Generic, TypeVar

from tracking.events import Event
from tracking.ledger import MARKS, Ledger, LedgerDamagedError, LedgerUnavailableError, Missed, session_name
from tracking.served import Served

log = logging.getLogger(__name__)
MOST_FEEDS, MOST_EVENTS = 1_000, 10_000
AT_ONCE, RETRY_SECONDS = 100, 1.0

Group = TypeVar("Group", bound=Hashable)
Thing = TypeVar("Thing")


class _Shelf(Generic[Group, Thing]):
    """Things by group and name, at most so many: beyond that the oldest of the oldest group goes."""

    def __init__(self, most: int) -> None:
        self._most, self._groups, self.count = most, dict[Group, dict[str, Thing]](), 0

    def put(self, group: Group, name: str, thing: Thing) -> bool:
        """Whether there was room without another's going."""
        things = self._groups.setdefault(group, {})
        self.count += name not in things
        things[name] = thing
        if self.count <= self._most:
            return True
        oldest = next(iter(self._groups))
        self.drop(oldest, next(iter(self._groups[oldest])))
        return False

    def drop(self, group: Group, name: str) -> None:
        things = self._groups.get(group, {})
        self.count -= things.pop(name, None) is not None
        if not things:
            self._groups.pop(group, None)

    def of(self, group: Group) -> list[Thing]:
        return list(self._groups.get(group, {}).values())

    def some(self, count: int) -> list[tuple[Group, str, Thing]]:
        every = ((group, *named) for group, things in self._groups.items() for named in things.items())
        return list(islice(every, count))


class Owed:
    """Belongs to one event loop. Beyond `MOST_FEEDS` feeds or `MOST_EVENTS` acts the oldest are given up.

    What an exchange that timed out did take is told again: acts count once, and a page that a session holds twice takes
    only room.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._feeds = _Shelf[str, Served](MOST_FEEDS)
        self._events = _Shelf[int, Event](MOST_EVENTS)
        self._telling: asyncio.Task[None] | None = None
        self.given_up = 0
        """How many were never told."""
        self.anything = False
        """Whether there may be something; every request asks."""

    def __len__(self) -> int:
        return self._feeds.count + self._events.count

    def feed(self, served: Served) -> None:
        """The ledger did not take this feed."""
        name = session_name(served.user_id, served.session_id)
        self._note_room(self._feeds.put(name, served.feed_id, served))

    def acts(self, events: Sequence[Event]) -> None:
        """The ledger did not take these acts."""
        for event in events:
            if event.event_type in MARKS and event.item:
                self._note_room(self._events.put(event.user_id, event.event_id, event))

    def missed(self, user_id: int, session_id: str) -> Missed:
        """What the ledger has not been told of a session and a viewer."""
        marks: dict[str, list[bytes]] = {"watched": [], "hidden": []}
        for event in self._events.of(user_id):
            marks[MARKS[event.event_type]].append(str(event.item).encode())
        return Missed([one.packed.kept for one in self._feeds.of(session_name(user_id, session_id))], **marks)

    async def settle(self) -> None:
        """Tell the ledger, part by part. Raises LedgerUnavailableError; what was not taken by then is still owed."""
        while acts := self._events.some(AT_ONCE):
            try:
                await self._ledger.acted([event for _, _, event in acts])
            except LedgerDamagedError:
                for *_, event in acts:
                    with suppress(LedgerDamagedError):
                        await self._ledger.acted([event])
            for user_id, name, _ in acts:
                self._events.drop(user_id, name)
        while pages := self._feeds.some(AT_ONCE):
            told = await asyncio.gather(*(self._ledger.served(page) for *_, page in pages), return_exceptions=True)
            for (session, name, _), outcome in zip(pages, told, strict=True):
                if not isinstance(outcome, BaseException) or isinstance(outcome, LedgerDamagedError):
                    self._feeds.drop(session, name)
            for outcome in told:
                if isinstance(outcome, BaseException) and not isinstance(outcome, LedgerDamagedError):
                    raise outcome

    async def close(self) -> None:
        """A last try."""
        if self._telling:
            self._telling.cancel()
        with suppress(LedgerUnavailableError):
            await self.settle()

    def _note_room(self, enough: bool) -> None:
        if not enough and not self.given_up:
            log.warning("the memory of sessions is away for so long that the oldest of what it missed is given up")
        self.given_up += not enough
        self.anything = True
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell(), name="owed")

    async def _tell(self) -> None:
        """Try every second, whether or not requests come."""
        while len(self):
            await asyncio.sleep(RETRY_SECONDS)
            with suppress(LedgerUnavailableError):
                await self.settle()
        self.anything = False
