"""What the bandits know is a fold over the logs past a watermark.

What a feed taught is a function of the set of acts on it (`attribution`). A step of the fold reads the rows past the
watermark and, of every feed they touch, all rows: it takes what the feed had taught before (from rows up to the old
watermark) from what it teaches now (up to the new one) and adds the difference to the sums. Nothing is kept aside, so
learning in any batches, after any crash, or again from nothing gives the same sums up to rounding. A record that comes
after acts on its feed is a touched feed like any other, so acts may be flushed before or after it.

Rows appear in the order of their ids (see `mysql_sink`), so nothing can slip in behind a watermark.
"""

import fcntl
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tracking.attribution import NOTHING, Lessons, is_act, outcome
from tracking.events import Event
from tracking.policies import PolicyStore, State
from tracking.sink import Sink

log = logging.getLogger(__name__)

STEP = 5000
KEPT_VERSIONS = 20


@dataclass(frozen=True, slots=True)
class LearnReport:
    """What one call learnt: rows read, positions observed or revised, acts without a feed in all, the live version."""

    rows: int
    lessons: int
    unattributed: int
    version: str


class Learner:
    """Learns from `sink` and publishes into `folder` (a `PolicyStore`). `step` bounds the rows read at once."""

    def __init__(self, sink: Sink, folder: Path, *, step: int = STEP) -> None:
        self._sink, self._folder, self._step = sink, folder, step
        self._store = PolicyStore(folder)
        self._state: State | None = None

    def learn(self) -> LearnReport:
        """Learn all that is new and publish it. Raises SinkUnavailableError; the next call goes on from the last state.

        One learner at a time: a second one waits, then finds the first one's state.
        """
        with self._alone():
            state = self._current()
            rows = lessons = 0
            while (read := self._fold(state)) is not None:
                rows, lessons = rows + read[0], lessons + read[1]
                self._store.publish(state)
            if rows:
                self._store.prune(KEPT_VERSIONS)
                log.info("learnt %d lessons from %d rows: policy %s", lessons, rows, state.version)
            return LearnReport(rows, lessons, state.unattributed, state.version)

    def rebuild(self) -> LearnReport:
        """Learn everything again from nothing and publish that; the live state stays until it is done."""
        with self._alone():
            state, rows, lessons = State(), 0, 0
            while (read := self._fold(state)) is not None:
                rows, lessons = rows + read[0], lessons + read[1]
            self._state = state
            return LearnReport(rows, lessons, state.unattributed, self._store.publish(state))

    @property
    def state(self) -> State:
        """The state as of the last call, or as it lies in the folder."""
        return self._state or self._store.load_state()

    def _current(self) -> State:
        """The state in memory while it is the live one, else the live one."""
        if self._state is None or self._state.version != (self._store.current_version() or "untrained"):
            self._state = self._store.load_state()
        return self._state

    def _fold(self, state: State) -> tuple[int, int] | None:
        """One step, in place: (rows, lessons), or None when there is nothing new."""
        fresh = self._sink.activities_after(state.activity_row, self._step)
        feeds = self._sink.feeds_after(state.feed_row, self._step)
        if not fresh and not feeds:
            return None
        activity_row = fresh[-1][0] if fresh else state.activity_row
        feed_row = feeds[-1][0] if feeds else state.feed_row
        touched = {event.feed_id for _, event in fresh if event.feed_id and is_act(event)}
        touched |= {feed_id for _, feed_id in feeds}
        acts: defaultdict[str, list[tuple[int, Event]]] = defaultdict(list)
        for row, event in self._sink.activities_of(touched, activity_row):
            if is_act(event):
                acts[event.feed_id or ""].append((row, event))
        lessons = Lessons()
        for row, decision in self._sink.decisions_of(acts.keys(), feed_row):
            known = acts[decision.feed_id]
            earlier = [event for at, event in known if at <= state.activity_row] if row <= state.feed_row else []
            before = outcome(decision, earlier) if earlier else NOTHING
            after = outcome(decision, [event for _, event in known])
            lessons.add(decision, before, after)
            state.attributed += after.acts - before.acts
        state.acts += sum(is_act(event) for _, event in fresh)
        state.activity_row, state.feed_row = activity_row, feed_row
        return len(fresh) + len(feeds), lessons.teach(state.statistics)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield
            except BaseException:
                self._state = None  # it may be half a step ahead of what is published
                raise
