"""How a pool picks among its best candidates: three ways, each a distribution over scores that descend."""

from enum import Enum
from math import exp

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Pick(Enum):
    """The ways that the compiled kernel knows too, by these names (`engine.kernel.draft`)."""

    SOFTMAX = "softmax"
    TOP = "top"
    UNIFORM = "uniform"


def probabilities(pick: Pick, scores: NDArray[np.float32]) -> Floats:
    """The chance of each candidate, best first, (m,); sums to 1.

    SOFTMAX drawn slot after slot without replacement is the Plackett-Luce model (Plackett, "The analysis of
    permutations", Applied Statistics 24, 1975; Luce, "Individual Choice Behavior", 1959).

    >>> probabilities(Pick.UNIFORM, np.array([3, 1], dtype=np.float32)).tolist()
    [0.5, 0.5]
    """
    if pick is Pick.TOP:
        return np.asarray(np.eye(1, len(scores))[0], dtype=np.float64)
    if pick is Pick.UNIFORM:
        return np.full(len(scores), 1.0 / len(scores))
    best = float(scores[0])
    weights = np.array([exp(score - best) for score in scores.tolist()])  # the C library's exp, as in the kernel
    return np.asarray(weights / weights.sum())


def pick_index(chances: Floats, draw: float) -> int:
    """The index a uniform draw in [0, 1) falls on.

    >>> pick_index(np.array([0.25, 0.75]), 0.3)
    1
    """
    if len(chances) == 1:
        return 0
    cumulative = chances.cumsum()
    return min(int(np.searchsorted(cumulative, draw * cumulative[-1], side="right")), len(chances) - 1)
