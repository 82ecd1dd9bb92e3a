"""Where activity waits until it is flushed. One Protocol, two implementations: `redis_buffer` and the local `spool`.

A buffer only ever adds: once `push` returns, its records are durable, and each is handed out by `take` until
`acknowledge` says that the sink has it. Delivery is therefore at least once; the sink's unique ids make the effect
exactly once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from tracking.decisions import Decision
from tracking.events import Event


class Kind(Enum):
    """What a record is; the value is used in names of keys and files."""

    ACTIVITY = "activity"
    DECISION = "decision"


class Record(NamedTuple):
    """One thing to store: its unique id, whose it is, and its JSON."""

    kind: Kind
    id: str
    user_id: int
    body: bytes

    @classmethod
    def of_event(cls, event: Event) -> "Record":
        """The record of an activity."""
        return cls(Kind.ACTIVITY, event.event_id, event.user_id, event.to_json())

    @classmethod
    def of_decision(cls, decision: Decision) -> "Record":
        """The record of a served feed."""
        return cls(Kind.DECISION, decision.feed_id, decision.user_id, decision.to_json())


@dataclass(frozen=True, slots=True)
class Batch:
    """Some bodies taken together; `handle` means something to the buffer that gave it. `since` is when the oldest
    began to wait, in seconds since 1970.
    """

    activities: tuple[bytes, ...]
    decisions: tuple[bytes, ...]
    handle: object
    since: float

    def __len__(self) -> int:
        return len(self.activities) + len(self.decisions)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a buffer holds: records (and how many of them activities), the age of the oldest in seconds, and bytes."""

    records: int = 0
    activities: int = 0
    oldest_seconds: float = 0.0
    bytes: int = 0


class BufferUnavailableError(Exception):
    """The buffer does not answer in time. What it took is unknown: push elsewhere too, ids sort it out."""


class BufferFullError(Exception):
    """The buffer has reached its cap; nothing of the push was kept."""


class Buffer(Protocol):
    """A durable place for records. `push` is for the event loop; the rest may block and belongs to the flusher."""

    durability: str
    """Where a record that was pushed lies, as answers to clients say it: `redis` or `local`."""

    name: str
    """What people call it in /health: `redis`, `local` or `spill`."""

    expires_seconds: float | None
    """A record not taken for this long may be lost; None where nothing expires."""

    async def push(self, records: Sequence[Record], *, durable: bool = True) -> frozenset[str]:
        """Keep the records; the ids of activities known already. Raises BufferUnavailableError or BufferFullError.

        `durable=False` spares the caller the wait for a disk: records survive this process, perhaps not the machine.
        """
        ...

    def waiting(self) -> Waiting:
        """What is not acknowledged yet. Raises BufferUnavailableError."""
        ...

    def take(self, limit: int) -> Batch | None:
        """About `limit` records to store now, oldest first, out of the reach of expiry; None when there are none."""
        ...

    def hold(self, *, older_seconds: float = 0.0) -> None:
        """Take what has waited for so long (all of it unless said) out of the reach of expiry: the sink is away."""
        ...

    def recover(self) -> None:
        """Hand out again at once what flushers took and never acknowledged: they are gone."""
        ...

    def acknowledge(self, batch: Batch) -> None:
        """The sink has the batch: forget it."""
        ...

    def release(self, batch: Batch) -> None:
        """The sink could not take the batch: hand it out again at once."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...
