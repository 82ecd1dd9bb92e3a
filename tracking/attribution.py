"""Served is not seen: what a feed taught, from its record and the acts on it.

An act on position p means that positions 1 to p were examined. An examined item without an act earned 0, an item below
the last examined one teaches nothing. Everything here is a function of *sets* of acts, so the order and the batches in
which they arrive change nothing. An act counts where the feed's record shows its item; the position that a client sends
is not needed. An act by another viewer than the feed's, or on an item that the feed did not show, belongs to no feed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.bandit.policy import LEARNING_POOLS
from engine.features import scaled
from tracking.decisions import Decision, Shown
from tracking.events import FEED_REQUEST, Event
from tracking.rewards import KINDS, kind_values
from tracking.state import Bandit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a feed taught: `values` (examined, K) of the reward kinds by position, and how many acts made it."""

    values: Floats
    acts: int


NOTHING = Outcome(np.zeros((0, len(KINDS))), 0)


def outcome(decision: Decision, events: Iterable[Event]) -> Outcome:
    """The outcome of a feed, given every event that names it."""
    place = {shown.item: index for index, shown in enumerate(decision.shown)}
    acts: defaultdict[int, list[Event]] = defaultdict(list)
    for event in events:
        index = place.get(event.item or "")
        if index is not None and is_act(event) and event.user_id == decision.user_id:
            acts[index].append(event)
    if not acts:
        return NOTHING
    values = np.zeros((max(acts) + 1, len(KINDS)))
    for index, found in acts.items():
        values[index] = kind_values(found)
    return Outcome(values, sum(map(len, acts.values())))


def is_act(event: Event) -> bool:
    """Whether a viewer did it: everything but a feed request."""
    return event.event_type != FEED_REQUEST


def teaches(shown: Shown) -> str | None:
    """The bandit that an item teaches: of the pool that showed it, or of the slot that an EXPLORE item replaced.

    >>> teaches(Shown("video", 1, "AU", "VMP", 0.5)), teaches(Shown("video", 1, "NU", "EXPLORE", 0.5))
    ('VMP', 'NU')
    >>> teaches(Shown("flow", 1, "FW", "FW", 0.5)), teaches(Shown("video", 1, "FW", "EXPLORE", 0.5))
    (None, None)
    """
    pool = shown.slot if shown.pool == "EXPLORE" else shown.pool
    return pool if shown.kind == "video" and pool in LEARNING_POOLS else None


class Lessons:
    """Differences between outcomes before and after, gathered per bandit and taught at once."""

    def __init__(self) -> None:
        self._examined: defaultdict[str, list[tuple[Decision, int, Floats]]] = defaultdict(list)
        self._revised: defaultdict[str, list[tuple[Decision, int, Floats, Floats]]] = defaultdict(list)

    def add(self, decision: Decision, before: Outcome, after: Outcome) -> None:
        """A feed's outcome grew from `before` to `after`: new positions are observed, changed ones revised."""
        known = len(before.values)
        for index, values in enumerate(after.values):
            pool = teaches(decision.shown[index])
            if pool and index >= known:
                self._examined[pool].append((decision, index, values))
            elif pool and not np.array_equal(values, before.values[index]):
                self._revised[pool].append((decision, index, before.values[index], values))

    def teach(self, bandits: Mapping[str, Bandit]) -> int:
        """Add everything to the bandits' sums; how many positions were observed or revised."""
        for pool, examined in self._examined.items():
            x, items, moments = _inputs([(decision, index) for decision, index, _ in examined])
            bandits[pool].observe(x, np.array([values for _, _, values in examined]), items, moments)
        for pool, revised in self._revised.items():
            x, items, moments = _inputs([(decision, index) for decision, index, _, _ in revised])
            before, after = (np.array([entry[side] for entry in revised]) for side in (2, 3))
            bandits[pool].revise(x, before, after, items, moments)
        return sum(map(len, self._examined.values())) + sum(map(len, self._revised.values()))


def _inputs(places: list[tuple[Decision, int]]) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Scaled features (m, 18), video ids (m,) and moments (m,), when the feed was served, of these positions."""
    x = scaled(np.array([decision.features[index] for decision, index in places]))
    items = np.array([decision.shown[index].id for decision, index in places], dtype=np.int64)
    return x, items, np.array([decision.served_at.timestamp() for decision, _ in places])
