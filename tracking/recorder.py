"""What is kept of what happens: of a served feed its decision and its activity in a buffer, its items in the session;
of viewers' acts the events in a buffer, and in the ledger what they mean.

One Protocol, two implementations: `EachRecorder` on any buffer and ledger, `redis_recorder` for one Redis that is both.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tracking.buffer import Buffer, BufferFullError, BufferUnavailableError, Kind, Record
from tracking.events import Event, feed_request_json
from tracking.ledger import Ledger, LedgerUnavailableError
from tracking.served import Served


class Kept(NamedTuple):
    """What kept a feed from being recorded, and from being remembered by its session; None where it was."""

    unrecorded: BufferUnavailableError | BufferFullError | None = None
    forgotten: LedgerUnavailableError | None = None


class Taken(NamedTuple):
    """The ids of events that were known already, and what kept the ledger from remembering them; None where it did."""

    known: frozenset[str]
    forgotten: LedgerUnavailableError | None = None


ALL_KEPT = Kept()


class Recorder(Protocol):
    """Keeps what was served and what viewers did."""

    async def keep(self, served: Served) -> Kept:
        """Record and remember the feed, each as far as its place answers."""
        ...

    async def take(self, events: Sequence[Event]) -> Taken:
        """Make clients' events durable, and only then let the ledger remember them, those known already once more.

        Raises BufferUnavailableError or BufferFullError; what the buffer refused is not remembered.
        """
        ...


class EachRecorder:
    """Tells the buffer and the ledger: of a feed both at once, of events one after the other."""

    def __init__(self, buffer: Buffer, ledger: Ledger) -> None:
        self._buffer, self._ledger = buffer, ledger

    async def keep(self, served: Served) -> Kept:
        """See `Recorder`."""
        records = records_of(served)
        remembered = self._ledger.served(served)
        unrecorded: BufferUnavailableError | BufferFullError | None = None
        forgotten: LedgerUnavailableError | None = None
        try:
            await self._buffer.push(records, durable=False)
        except (BufferUnavailableError, BufferFullError) as error:
            unrecorded = error
        finally:  # whatever stopped the push, what began is waited for
            try:
                await remembered
            except LedgerUnavailableError as error:
                forgotten = error
        return Kept(unrecorded, forgotten)

    async def take(self, events: Sequence[Event]) -> Taken:
        """See `Recorder`."""
        known = await self._buffer.push([Record.of_event(event) for event in events])
        try:
            await self._ledger.acted(events)
        except LedgerUnavailableError as error:
            return Taken(known, error)
        return Taken(known)


def records_of(served: Served) -> list[Record]:
    """The feed's decision, and the activity that it is."""
    user_id, feed_id = served.user_id, served.feed_id
    decision = Record(Kind.DECISION, feed_id, user_id, served.packed.record)
    return [decision, Record(Kind.ACTIVITY, feed_id, user_id, feed_request_json(served))]
