"""What the bandits know is a fold over the logs past a watermark (`fold`), saved together with it (`policies`).

Whatever ends a learner at whatever moment, the next one goes on from the last published state, and nothing is learnt
twice or left out.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tracking.fold import skip, step, strange_logs
from tracking.policies import PolicyStore
from tracking.sink import Sink
from tracking.state import State

log = logging.getLogger(__name__)

STEP = 5000
STEPS_A_CALL = 40
KEPT_VERSIONS = 20


class LearnerError(Exception):
    """Learning cannot go on by itself; the message says why and what helps."""


@dataclass(frozen=True, slots=True)
class LearnReport:
    """What one call learnt: rows read, positions observed or revised, acts without a feed in all, the live version.

    `frozen` says that an operator halted learning.
    """

    rows: int
    lessons: int
    unattributed: int
    version: str
    frozen: bool = False


class Learner:
    """Learns from `sink` and publishes into `folder` (a `PolicyStore`).

    Parameters
    ----------
    sink, folder : the logs, and where policies lie
    step : most rows of each log that are read at once
    half_lives : days by pool after which an examined item counts half; absent or 0: for ever. Sums that were begun
        with other ones keep theirs until `rebuild`
    """

    def __init__(
        self, sink: Sink, folder: Path, *, step: int = STEP, half_lives: Mapping[str, float] | None = None
    ) -> None:
        self._sink, self._step, self._half_lives = sink, step, half_lives
        self._store = PolicyStore(folder)
        self._state: State | None = None
        self._stamp: tuple[str | None, int, int] | None = None
        self._misnamed = False

    def learn(self) -> LearnReport:
        """Learn what is new and publish it; nothing while frozen. A long backlog takes several calls.

        Raises SinkUnavailableError, LearnerError, or PolicyError when another process holds the policies; the next
        call goes on from the last state.
        """
        with self._alone():
            state, rows, lessons = self._current(), 0, 0
            if not self._store.frozen:
                self._check(state)
                for _ in range(STEPS_A_CALL):
                    done = step(self._sink, state, self._step)
                    if done is None:
                        break
                    rows, lessons = rows + done.rows, lessons + done.lessons
                    self._publish(state)
                if self._misnamed:
                    self._publish(state)  # the rewards' weights are other ones now, or the live file was damaged
            if rows:
                self._store.prune(KEPT_VERSIONS)
                log.info("learnt %d lessons from %d rows: policy %s", lessons, rows, self._store.current_version())
            version = self._store.current_version() or state.version
            return LearnReport(rows, lessons, state.unattributed, version, self._store.frozen)

    def rebuild(self, tell: Callable[[int], None] = lambda rows: None) -> LearnReport:
        """Learn all of the logs again from nothing and publish that; `tell` hears how many rows were read so far.

        The live state stays until it is done, and others may learn meanwhile.
        """
        state, rows, lessons = State.empty(self._half_lives), 0, 0
        while done := step(self._sink, state, self._step):
            rows, lessons = rows + done.rows, lessons + done.lessons
            tell(rows)
        with self._alone():
            while done := step(self._sink, state, self._step):
                rows, lessons = rows + done.rows, lessons + done.lessons
            version = self._publish(state)
        log.info("learnt again from nothing: %d lessons from %d rows: policy %s", lessons, rows, version)
        return LearnReport(rows, lessons, state.unattributed, version)

    def reset(self) -> LearnReport:
        """Forget everything: what is in the logs now never teaches again, but by `rebuild`."""
        with self._alone():
            state = State.empty(self._half_lives)
            skip(self._sink, state, self._step)
            version = self._publish(state)
            self._store.prune(1)
        log.warning("the bandits were reset; the logs teach from row %d on", state.feed_row + 1)
        return LearnReport(0, 0, 0, version)

    def adopt(self, state: State) -> LearnReport:
        """Make an imported state the live one.

        One that was learnt from these logs, which hold the last feed it learnt, goes on where it ended. One from other
        logs is a beginning, to which these logs add what they gather from now on.
        """
        with self._alone():
            if self._sink.feeds_after(state.feed_row - 1, 1) != [(state.feed_row, state.feed_id)]:
                state = State(state.bandits)
                skip(self._sink, state, self._step)
            version = self._publish(state)
        log.warning("an imported state is live: policy %s", version)
        return LearnReport(0, 0, state.unattributed, version)

    @property
    def state(self) -> State:
        """The state as of the last call, or as it lies in the folder."""
        return self._state or self._store.load_state() or State.empty(self._half_lives)

    @property
    def problem(self) -> str:
        """What an operator should know about the live state; empty when all is well."""
        wanted = {pool: float((self._half_lives or {}).get(pool, 0.0)) for pool in self.state.half_lives}
        for pool, days in self.state.half_lives.items():
            if days != wanted[pool]:
                said = f"{pool}_HALF_LIFE_DAYS is {wanted[pool]:g}, but what it knows was learnt with {days:g}"
                return f"{said}: run `talentfeed learner rebuild`"
        return ""

    def _current(self) -> State:
        """The state in memory while it is the live one, else the live one."""
        if self._state is None or self._stamp != self._store.stamp():
            self._state = self._store.load_state() or State.empty(self._half_lives)
            self._stamp = self._store.stamp()
            self._misnamed = self._store.current_version() not in (None, self._state.version)
            if not self._state.updates:
                for pool, bandit in State.empty(self._half_lives).bandits.items():
                    self._state.bandits[pool] = bandit
        return self._state

    def _check(self, state: State) -> None:
        strange = strange_logs(self._sink, state)
        if strange:
            said = f"these are not the logs that the bandits were taught from ({strange})"
            raise LearnerError(f"{said}: run `talentfeed learner rebuild`")

    def _publish(self, state: State) -> str:
        version = self._store.publish(state)
        self._state, self._stamp, self._misnamed = state, self._store.stamp(), False
        return version

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._store.alone():
            try:
                yield
            except BaseException:
                self._state = None  # it may be half a step ahead of what is published
                raise
