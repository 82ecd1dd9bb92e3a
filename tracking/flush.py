"""Take, write, acknowledge: from the buffers into the logs.

A crash between any two steps repeats a step and nothing more: what is not acknowledged is taken again, what is in the
logs already stays as it is. Any number of flushers may run. What one buffer or one disk refuses stops no other buffer.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from tracking.buffer import Batch, Buffer, BufferUnavailableError, Kind, Waiting
from tracking.dead_letters import DeadLetter, DeadLetters
from tracking.decisions import Decision
from tracking.events import Event
from tracking.relief import Relief
from tracking.sink import Refusal, Sink, SinkUnavailableError

log = logging.getLogger(__name__)

Entry = TypeVar("Entry", Event, Decision)
BATCH = 5000
LONGEST_PAUSE, SHELTER_SECONDS = 30.0, 60.0
AWAY = BufferUnavailableError, OSError
"""How a buffer says that it cannot do now what it is asked: it is away, or its disk is full or broken."""


@dataclass(slots=True)
class FlushReport:
    """What one flush did: records written (new or there already), refused, and what stopped it, if anything."""

    written: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)


class Flusher:
    """Moves what waits in `buffers` into `sink`.

    Parameters
    ----------
    count : activities that make a flush due
    seconds : age of the oldest record that makes a flush due (sooner where a buffer's records expire)
    rows_per_second : most rows a second that a flush writes, so that a backlog leaves the database to others too
    relief : where the oldest goes while the sink is away and too much waits; it is flushed like a buffer
    clock, sleep : seconds, monotonic
    """

    def __init__(
        self,
        buffers: Sequence[Buffer],
        sink: Sink,
        dead_letters: DeadLetters,
        *,
        count: int = 50,
        seconds: float = 900.0,
        rows_per_second: float = math.inf,
        relief: Relief | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._buffers: tuple[Buffer, ...] = (*([relief.spill] if relief else []), *buffers)
        self._sink, self._dead_letters, self._relief = sink, dead_letters, relief
        self._count, self._clock, self._sleep = count, clock, sleep
        expiries = [buffer.expires_seconds / 4 for buffer in buffers if buffer.expires_seconds]
        self._seconds, self._shelter_seconds = min([seconds, *expiries]), min([SHELTER_SECONDS, *expiries])
        self._rows_per_second = rows_per_second
        self._failures, self._retry_at = 0, float("-inf")

    def waiting(self) -> dict[str, Waiting | None]:
        """What waits in each buffer, by name; None where it cannot be told now."""
        found: dict[str, Waiting | None] = {}
        for buffer in self._buffers:
            try:
                found[buffer.name] = buffer.waiting()
            except AWAY:
                found[buffer.name] = None
        return found

    @property
    def resting(self) -> bool:
        """Whether the pause after the last failure is not over."""
        return self._clock() < self._retry_at

    def due(self) -> bool:
        """Whether enough waits, or for long enough, and the pause after a failure is over."""
        if self.resting:
            return False
        known = [waiting for waiting in self.waiting().values() if waiting and waiting.records]
        return sum(w.activities for w in known) >= self._count or any(w.oldest_seconds >= self._seconds for w in known)

    def shelter(self) -> None:
        """Take what has waited for a while out of the reach of expiry, whether or not the sink is there."""
        for buffer in self._buffers:
            if buffer.expires_seconds:
                with suppress(*AWAY):
                    buffer.hold(older_seconds=self._shelter_seconds)

    def recover(self) -> None:
        """Begin with what flushers that are gone had taken: call it when there should be no other one."""
        for buffer in self._buffers:
            with suppress(*AWAY):
                buffer.recover()

    def flush(self, seconds: float = math.inf) -> FlushReport:
        """Move everything that waits now, oldest buffer first, for about so long. Never raises for a buffer or a sink
        that is away or for a disk that is full: it is reported, and the next try has to wait for a while.
        """
        report, away, limit = FlushReport(), False, self._clock() + seconds
        for buffer in self._oldest_first():
            try:
                while not away and self._clock() < limit and (batch := buffer.take(BATCH)):
                    away = not self._paced(buffer, batch, report)
                if away:
                    buffer.hold()
                    self._relieve(buffer)
            except BufferUnavailableError as error:
                report.problems.append(str(error))
            except OSError as error:
                report.problems.append(f"{buffer.name}: {error}")
        self._failures = self._failures + 1 if report.problems else 0
        self._retry_at = self._clock() + self._pause() if report.problems else float("-inf")
        for problem in report.problems:
            log.warning("flush stopped: %s", problem)
        return report

    def _oldest_first(self) -> list[Buffer]:
        """The buffers, what has waited longest first."""
        ages = {name: waiting.oldest_seconds for name, waiting in self.waiting().items() if waiting and waiting.records}
        return sorted(self._buffers, key=lambda buffer: -ages.get(buffer.name, 0.0))

    def _relieve(self, buffer: Buffer) -> None:
        if self._relief and buffer.expires_seconds:
            self._relief.relieve(buffer)

    def _paced(self, buffer: Buffer, batch: Batch, report: FlushReport) -> bool:
        """Whether the batch was moved; takes at least the time that `rows_per_second` grants it."""
        until = self._clock() + len(batch) / self._rows_per_second
        moved = self._moved(buffer, batch, report)
        rest = until - self._clock()
        if moved and rest > 0 and len(batch) >= BATCH:
            self._sleep(rest)
        return moved

    def _pause(self) -> float:
        """Seconds until the next try: twice as many after each failure, within what expiry allows."""
        return min(LONGEST_PAUSE, self._seconds, 2.0 ** min(self._failures - 1, 10))

    def _moved(self, buffer: Buffer, batch: Batch, report: FlushReport) -> bool:
        """Whether the batch is in the logs (or dead-lettered); if not, it is given back. Raises as the buffer does, and
        OSError when a letter cannot be kept.
        """
        try:
            letters = write(self._sink, batch.activities, batch.decisions)
            self._dead_letters.add(letters)
        except SinkUnavailableError as error:
            report.problems.append(str(error))
            buffer.release(batch)
            return False
        except OSError:
            buffer.release(batch)
            raise
        report.refused += len(letters)
        report.written += len(batch) - len(letters)
        buffer.acknowledge(batch)
        return True


def write(sink: Sink, activities: Sequence[bytes], decisions: Sequence[bytes]) -> list[DeadLetter]:
    """Write records into the logs; a letter for each that cannot be read or is refused. Raises SinkUnavailableError."""
    letters: list[DeadLetter] = []
    feeds = _parsed(Kind.DECISION, decisions, Decision.of_json, letters)
    events = _parsed(Kind.ACTIVITY, activities, Event.of_json, letters)
    letters += _letters(Kind.DECISION, feeds, sink.write_decisions([entry for entry, _ in feeds]))
    return letters + _letters(Kind.ACTIVITY, events, sink.write_activities([entry for entry, _ in events]))


def retry(letters: Sequence[DeadLetter], sink: Sink) -> list[DeadLetter]:
    """Write dead letters again; those that are refused once more, with today's reason. Raises SinkUnavailableError."""
    bodies = {kind: [letter.body.encode() for letter in letters if letter.kind == kind.value] for kind in Kind}
    return write(sink, bodies[Kind.ACTIVITY], bodies[Kind.DECISION])


def _parsed(
    kind: Kind, bodies: Sequence[bytes], parse: Callable[[bytes], Entry], letters: list[DeadLetter]
) -> list[tuple[Entry, bytes]]:
    """What can be read, with its body; a letter for each that cannot."""
    found = []
    for body in bodies:
        try:
            found.append((parse(body), body))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            letters.append(DeadLetter(kind.value, "", f"unreadable: {reason}"[:300], body.decode(errors="replace")))
    return found


def _letters(kind: Kind, entries: Sequence[tuple[Entry, bytes]], refusals: Sequence[Refusal]) -> list[DeadLetter]:
    """A letter for each refused entry."""
    letters = []
    for refusal in refusals:
        entry, body = entries[refusal.index]
        name = entry.event_id if isinstance(entry, Event) else entry.feed_id
        letters.append(DeadLetter(kind.value, name, refusal.reason, body.decode(errors="replace")))
    return letters
