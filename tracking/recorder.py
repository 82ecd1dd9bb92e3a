"""What a served feed leaves behind: its decision and its activity in a buffer, its items in the session.

One Protocol, two implementations: `EachRecorder` on any buffer and ledger, `redis_recorder` for one Redis that is both.
"""

from typing import NamedTuple, Protocol

from tracking.buffer import Buffer, BufferFullError, BufferUnavailableError, Kind, Record
from tracking.events import feed_request_json
from tracking.ledger import Ledger, LedgerUnavailableError
from tracking.served import Served


class Kept(NamedTuple):
    """What kept a feed from being recorded, and from being remembered by its session; None where it was."""

    unrecorded: BufferUnavailableError | BufferFullError | None = None
    forgotten: LedgerUnavailableError | None = None


ALL_KEPT = Kept()


class Recorder(Protocol):
    """Keeps what was served."""

    async def keep(self, served: Served) -> Kept:
        """Record and remember the feed, each as far as its place answers."""
        ...


class EachRecorder:
    """Tells the buffer and the ledger, both at once."""

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


def records_of(served: Served) -> list[Record]:
    """The feed's decision, and the activity that it is."""
    user_id, feed_id = served.user_id, served.feed_id
    decision = Record(Kind.DECISION, feed_id, user_id, served.packed.record)
    return [decision, Record(Kind.ACTIVITY, feed_id, user_id, feed_request_json(served))]
