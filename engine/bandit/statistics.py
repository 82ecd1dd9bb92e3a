"""What one bandit has learnt, as sums: everything adds, so logs fold, replicas merge and a crash is repaired by replay.

Rewards come in K kinds (watch share, like, ...). The reward that counts is their weighted sum, so every sum that is
linear in the reward is kept per kind and the weights can change, or be tried, without learning anything again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.features import DIMENSIONS

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


@dataclass(slots=True, kw_only=True, eq=False)
class Statistics:
    """Sums of one LinUCB bandit with item effects, float64.

    Parameters
    ----------
    gram : (18, 18), sum of x x' (without the ridge)
    moment : (K, 18), sum of r_k x per reward kind
    count : number of examined items (each counts its weight, where older ones weigh less)
    square : (K, K), sum of r_k r_l, from which the sum of squared rewards follows for any weights
    item_id : (M,), ascending video ids that were ever examined
    item_count : (M,), examinations of each
    item_reward : (M, K), sum of r_k of each
    item_features : (M, 18), sum of x of each

    Source: Li, Chu, Langford and Schapire, "A contextual-bandit approach to personalized news article
    recommendation", WWW 2010, Algorithm 1 (A and b); the item sums serve the shrunken item effects of `linucb`.
    """

    gram: Floats
    moment: Floats
    count: float
    square: Floats
    item_id: Ids
    item_count: Floats
    item_reward: Floats
    item_features: Floats

    @classmethod
    def empty(cls, kinds: int) -> "Statistics":
        """Sums before any data, for `kinds` reward kinds.

        >>> Statistics.empty(2).count
        0.0
        """
        return cls(
            gram=np.zeros((DIMENSIONS, DIMENSIONS)),
            moment=np.zeros((kinds, DIMENSIONS)),
            count=0.0,
            square=np.zeros((kinds, kinds)),
            item_id=np.zeros(0, dtype=np.int64),
            item_count=np.zeros(0),
            item_reward=np.zeros((0, kinds)),
            item_features=np.zeros((0, DIMENSIONS)),
        )

    @property
    def kinds(self) -> int:
        """Number of reward kinds, K."""
        return int(self.moment.shape[0])

    def observe(self, x: Floats, rewards: Floats, items: Ids, weights: Floats | None = None) -> None:
        """Learn `m` examined items: x (m, 18) already scaled, rewards (m, K) in [0, 1], items (m,) video ids.

        `weights` (m,) is what each counts, 1 by default. Raises ValueError naming the argument when a shape is wrong
        or a value is not finite.
        """
        x, rewards, items = self._checked("x", x), self._checked("rewards", rewards), np.asarray(items, dtype=np.int64)
        weight = _column(weights, len(items))
        self._same_length(x, rewards, items, weight)
        self.gram += (weight * x).T @ x
        self.moment += (weight * rewards).T @ x
        self.count += float(weight.sum())
        self.square += (weight * rewards).T @ rewards
        rows = self._rows_of(items)
        np.add.at(self.item_count, rows, weight[:, 0])
        np.add.at(self.item_reward, rows, weight * rewards)
        np.add.at(self.item_features, rows, weight * x)

    def revise(self, x: Floats, before: Floats, after: Floats, items: Ids, weights: Floats | None = None) -> None:
        """A later act on items learnt already: rewards move from `before` to `after` (m, K); x counts only once."""
        x, before, after = self._checked("x", x), self._checked("before", before), self._checked("after", after)
        items = np.asarray(items, dtype=np.int64)
        weight = _column(weights, len(items))
        self._same_length(x, before, items, weight)
        self._same_length(x, after, items)
        self.moment += (weight * (after - before)).T @ x
        self.square += (weight * after).T @ after - (weight * before).T @ before
        rows = self._rows_of(items)
        np.add.at(self.item_reward, rows, weight * (after - before))

    def scale(self, factor: float) -> None:
        """Let everything learnt so far count `factor` times as much; exact when it is a power of two."""
        for name in self.__slots__:
            if name != "item_id":
                setattr(self, name, getattr(self, name) * factor)

    def without_faded(self, least: float = 1e-6) -> "Statistics":
        """A copy without the sums of items that count less than `least` examinations."""
        kept = self.item_count >= least
        rows = {name: np.array(getattr(self, name)[kept]) for name in self.__slots__ if name.startswith("item_")}
        return Statistics(gram=self.gram.copy(), moment=self.moment.copy(), count=self.count,
                          square=self.square.copy(), **rows)  # fmt: skip

    def merge(self, other: "Statistics") -> None:
        """Add another bandit's sums to these; the order of merging does not matter."""
        if other.kinds != self.kinds:
            raise ValueError(f"kinds: cannot merge {other.kinds} reward kinds into {self.kinds}")
        self.gram += other.gram
        self.moment += other.moment
        self.count += other.count
        self.square += other.square
        rows = self._rows_of(other.item_id)
        self.item_count[rows] += other.item_count
        self.item_reward[rows] += other.item_reward
        self.item_features[rows] += other.item_features

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The sums as named arrays, ready for `numpy.savez`."""
        return {name: np.asarray(getattr(self, name)) for name in self.__slots__}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "Statistics":
        """The inverse of `to_arrays`. Raises KeyError naming an array that is absent."""
        sums = {name: np.array(arrays[name]) for name in cls.__slots__ if name != "count"}
        return cls(count=float(np.asarray(arrays["count"], dtype=np.float64)), **sums)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Statistics):
            return NotImplemented
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in self.__slots__)

    def _checked(self, name: str, values: Floats) -> Floats:
        values = np.asarray(values, dtype=np.float64)
        width = DIMENSIONS if name == "x" else self.kinds
        if values.ndim != 2 or values.shape[1] != width:
            raise ValueError(f"{name}: shape {values.shape} is not (m, {width})")
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: holds a value that is not finite")
        return values

    @staticmethod
    def _same_length(*arrays: NDArray[np.generic]) -> None:
        if len({len(array) for array in arrays}) > 1:
            raise ValueError(f"items: lengths differ, {[len(array) for array in arrays]}")

    def _rows_of(self, items: Ids) -> NDArray[np.intp]:
        """Rows of these items in the item sums; items not seen before are inserted in order."""
        fresh = np.setdiff1d(items, self.item_id)
        if len(fresh):
            place = np.searchsorted(self.item_id, fresh)
            self.item_id = np.insert(self.item_id, place, fresh)
            self.item_count = np.insert(self.item_count, place, 0.0)
            self.item_reward = np.insert(self.item_reward, place, 0.0, axis=0)
            self.item_features = np.insert(self.item_features, place, 0.0, axis=0)
        return np.searchsorted(self.item_id, items)


def _column(weights: Floats | None, length: int) -> Floats:
    """Weights as a column (m, 1); ones when there are none."""
    return np.ones((length, 1)) if weights is None else np.asarray(weights, dtype=np.float64).reshape(-1, 1)
