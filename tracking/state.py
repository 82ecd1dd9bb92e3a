"""What the logs taught up to a watermark: per pool the sums, and the rows that are in them.

Forgetting keeps this a fold: an examined item weighs 0.5 ** (age / half-life), by the time its feed was served. Sums
are kept as seen from a reference moment, the first whole half-life since 1970 that is not before the newest feed
learnt. So they are a function of the set of feeds, whatever the order, and moving the reference halves them, which is
exact.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil

import numpy as np
from numpy.typing import NDArray

from engine.bandit.policy import LEARNING_POOLS, Policy
from engine.bandit.statistics import Statistics
from tracking.rewards import KINDS, WEIGHTS

DAY = 86_400.0
UNTRAINED = "untrained"
Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Bandit:
    """What one pool learnt.

    Parameters
    ----------
    half_life : days after which an examined item counts half; 0: it counts for ever
    sums : as seen from `reference`
    updates : examined items so far, forgotten or not
    newest : when the newest feed that taught was served, in seconds since 1970; 0 before the first
    """

    half_life: float = 0.0
    sums: Statistics = field(default_factory=lambda: Statistics.empty(len(KINDS)))
    updates: int = 0
    newest: float = 0.0

    @property
    def reference(self) -> int:
        """The moment from which the sums are seen, in half-lives since 1970."""
        return ceil(self.newest / (self.half_life * DAY)) if self.half_life else 0

    def observe(self, x: Floats, rewards: Floats, items: Ids, moments: Floats) -> None:
        """Learn examined items of feeds served at `moments` (m,), seconds since 1970; see `Statistics.observe`."""
        self.advance(float(moments.max(initial=0.0)))
        self.sums.observe(x, rewards, items, self._weights(moments))
        self.updates += len(items)

    def revise(self, x: Floats, before: Floats, after: Floats, items: Ids, moments: Floats) -> None:
        """Learn later acts on items of feeds served at `moments`; see `Statistics.revise`."""
        self.advance(float(moments.max(initial=0.0)))
        self.sums.revise(x, before, after, items, self._weights(moments))

    def advance(self, moment: float) -> None:
        """See the sums from a later moment on."""
        before = self.reference
        self.newest = max(self.newest, moment)
        if self.reference != before:
            self.sums.scale(_half_to(self.reference - before))

    def merge(self, other: "Bandit") -> None:
        """Add what another learner learnt from other feeds. Raises ValueError when it forgets at another pace."""
        if other.half_life != self.half_life:
            raise ValueError(f"half_life: cannot merge {other.half_life} days into {self.half_life}")
        self.advance(other.newest)
        sums = Statistics.of_arrays(other.sums.to_arrays())
        sums.scale(_half_to(self.reference - other.reference))
        self.sums.merge(sums)
        self.updates += other.updates

    def present(self) -> Statistics:
        """The sums as seen from the newest feed, which counts 1: what a policy is solved from."""
        if not self.half_life:
            return self.sums
        sums = Statistics.of_arrays(self.sums.to_arrays())
        sums.scale(2.0 ** (self.reference - self.newest / (self.half_life * DAY)))
        return sums.without_faded()

    def _weights(self, moments: Floats) -> Floats | None:
        if not self.half_life:
            return None
        weights: Floats = np.exp2(moments / (self.half_life * DAY) - self.reference)
        return weights


def _half_to(times: int) -> float:
    return 2.0 ** -min(times, 1100)


def bandits(half_lives: Mapping[str, float] | None = None) -> dict[str, Bandit]:
    """Bandits that have learnt nothing; `half_lives` in days by pool, 0 or absent for none."""
    return {pool: Bandit(float((half_lives or {}).get(pool, 0.0))) for pool in LEARNING_POOLS}


@dataclass(slots=True, eq=False)
class State:
    """What was learnt from the rows of `activity_log` and `feed_log` past `since_*` and up to `*_row`.

    `activity_id` and `feed_id` are the ids in those last rows: they tell these logs from others. `acts` counts viewers'
    acts in the rows, `attributed` those that found their feed.
    """

    bandits: dict[str, Bandit] = field(default_factory=bandits)
    activity_row: int = 0
    feed_row: int = 0
    activity_id: str | None = None
    feed_id: str | None = None
    since_activity: int = 0
    since_feed: int = 0
    acts: int = 0
    attributed: int = 0

    @classmethod
    def empty(cls, half_lives: Mapping[str, float] | None = None) -> "State":
        """Nothing learnt, from no rows."""
        return cls(bandits(half_lives))

    @property
    def statistics(self) -> dict[str, Statistics]:
        """The sums by pool, as they are kept."""
        return {pool: bandit.sums for pool, bandit in self.bandits.items()}

    @property
    def half_lives(self) -> dict[str, float]:
        """The pace of forgetting by pool, in days."""
        return {pool: bandit.half_life for pool, bandit in self.bandits.items()}

    @property
    def updates(self) -> int:
        """Examined items in all pools."""
        return sum(bandit.updates for bandit in self.bandits.values())

    @property
    def unattributed(self) -> int:
        """Acts that belong to no feed known so far."""
        return self.acts - self.attributed

    @property
    def version(self) -> str:
        """`untrained`, or the number of examined items and a hash of the sums and of the rewards' weights."""
        if not self.updates:
            return UNTRAINED
        content = hashlib.sha256("".join(KINDS).encode() + np.array(WEIGHTS).tobytes())
        for pool, bandit in sorted(self.bandits.items()):
            content.update(f"{pool} {bandit.half_life!r} {bandit.newest!r}".encode())
            for name, array in bandit.sums.to_arrays().items():
                content.update(name.encode() + np.ascontiguousarray(array).tobytes())
        return f"{self.updates:010d}-{content.hexdigest()[:12]}"

    def delta(self) -> "State":
        """The same watermark with nothing learnt: what a learner of a part of the feeds begins with."""
        place = {name: getattr(self, name) for name in PLACES}
        return State(bandits(self.half_lives), **place)

    def policy(self, version: str, weights: tuple[float, ...] = WEIGHTS) -> Policy:
        """What engines serve with; `weights` of the reward kinds may be any."""
        return Policy(version, {pool: bandit.present() for pool, bandit in self.bandits.items()}, weights)


PLACES = ("activity_row", "feed_row", "activity_id", "feed_id", "since_activity", "since_feed")


def merged(base: State, deltas: Iterable[State]) -> State:
    """`base` and what learners of disjoint parts of the feeds learnt past it: the state of one learner of them all.

    Changes `base`. Raises ValueError when the deltas end at different rows: they would not be one fold.
    """
    deltas = list(deltas)
    if len({(delta.activity_row, delta.feed_row) for delta in deltas}) > 1:
        raise ValueError("deltas: they end at different rows of the logs")
    for delta in deltas:
        for pool, bandit in base.bandits.items():
            bandit.merge(delta.bandits[pool])
        base.acts, base.attributed = base.acts + delta.acts, base.attributed + delta.attributed
        for name in PLACES:
            setattr(base, name, getattr(delta, name))
    return base
