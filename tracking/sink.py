"""Where activity ends up: the logs. One Protocol, two implementations: `mysql_sink` and `sqlite_sink`.

Writing is idempotent by `event_id` and `feed_id`: what is there already stays as it is. A row that the database refuses
is returned with the reason, and holds nobody back.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from tracking.decisions import Decision
from tracking.events import Event


@dataclass(frozen=True, slots=True)
class Refusal:
    """The row at `index` of what was to be written is not in the table, and why."""

    index: int
    reason: str


class SinkUnavailableError(Exception):
    """The database does not answer, or something else than a row is wrong with it (a missing table, full disk)."""


class Sink(Protocol):
    """The logs. Every method raises SinkUnavailableError; what was written before the error is whole batches."""

    def create_tables(self) -> None:
        """Create what is absent."""
        ...

    def write_activities(self, events: Sequence[Event]) -> list[Refusal]:
        """Write what is new."""
        ...

    def write_decisions(self, decisions: Sequence[Decision]) -> list[Refusal]:
        """Write what is new."""
        ...

    def activities_after(self, row: int, limit: int) -> list[tuple[int, Event]]:
        """At most `limit` activities with their rows' ids, in the order of ids, past `row`."""
        ...

    def feeds_after(self, row: int, limit: int) -> list[tuple[int, str]]:
        """At most `limit` (row id, feed id) of served feeds, in the order of ids, past `row`."""
        ...

    def activities_of(self, feed_ids: Collection[str], up_to: int) -> list[tuple[int, Event]]:
        """All activities of these feeds in rows up to `up_to`."""
        ...

    def decisions_of(self, feed_ids: Collection[str], up_to: int) -> list[tuple[int, Decision]]:
        """The records of these feeds in rows up to `up_to`."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...
