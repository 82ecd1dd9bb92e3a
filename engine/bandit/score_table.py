"""What a pool's score owes to the video alone, computed once per bandit version and catalogue.

With s the 13 video features and d the 5 pair features of x, and P the inverse of A, the quadratic form splits exactly
(Schur complement): x'Px = s' A_ss^-1 s + |v + L'd|^2 with L the Cholesky factor of P_dd and v = L^-1 P_ds s. It is a
sum of squares, so it never turns negative in float32. Everything else that a score adds and that belongs to the video
(item effects, bonuses of the pool, who may appear) goes into `base`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.bandit.linucb import Model, item_effects_of
from engine.features import DIMENSIONS, PAIR_COLUMNS, SCALE, VIDEO_COLUMNS

Floats = NDArray[np.float32]
VIDEO, PAIR = list(VIDEO_COLUMNS), list(PAIR_COLUMNS)
BLOCK = 8192


@dataclass(frozen=True, slots=True)
class Formula:
    """A pool's final score on top of its bandit: UCB with these weights, plus `bonus` (18,) on the plain features.

    `fresh` is added for new videos. `alpha` counts in units of the noise, `beta` weighs the item's own deviation.
    """

    alpha: float
    beta: float
    bonus: NDArray[np.float64]
    fresh: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """score(i, d) = base_i + c'd + sqrt(rest_i + |v_i + L'd|^2) for the plain (unscaled) pair features d (5,).

    base, rest: (N,) float32, base is minus infinity where the pool does not admit the video; v: (5, N) float32;
    c: (5,) float32; lower: (5, 5) float32, L.
    """

    base: Floats
    rest: Floats
    v: Floats
    c: Floats
    lower: Floats


def score_table(
    model: Model,
    formula: Formula,
    *,
    video_id: NDArray[np.int64],
    features: Floats,
    fresh: NDArray[np.uint8],
    admitted: NDArray[np.bool_],
) -> ScoreTable:
    """Precompute one pool's table; `features` is (13, N), `fresh` and `admitted` are (N,).

    In float64, some thousand videos at a time: the numbers stay in the processor's cache, and memory small.
    """
    weight = model.theta[VIDEO] * SCALE + formula.bonus[VIDEO]
    # The confidence width in the pool's units: alpha * noise goes under the root, the scaling of x as well.
    spread = model.inverse * (formula.alpha * model.noise * SCALE) ** 2
    pair, cross = spread[np.ix_(PAIR, PAIR)], spread[np.ix_(PAIR, VIDEO)]
    lower = _factor(pair)
    shift = np.linalg.solve(lower, cross) if formula.alpha > 0.0 else np.zeros(cross.shape)
    alone = spread[np.ix_(VIDEO, VIDEO)] - shift.T @ shift
    table = ScoreTable(
        base=np.empty(len(video_id), dtype=np.float32),
        rest=np.empty(len(video_id), dtype=np.float32),
        v=np.empty((len(PAIR), len(video_id)), dtype=np.float32),
        c=_float32(model.theta[PAIR] * SCALE + formula.bonus[PAIR]),
        lower=_float32(lower),
    )
    for start in range(0, len(video_id), BLOCK):
        some = slice(start, start + BLOCK)
        static = features[:, some].astype(np.float64)
        mean, deviation = item_effects_of(model, video_id[some])
        score = weight @ static + mean + formula.beta * deviation + formula.fresh * fresh[some]
        table.base[some] = np.where(admitted[some], score, -np.inf)
        table.rest[some] = np.maximum(np.einsum("in,in->n", static, alone @ static), 0.0)
        table.v[:, some] = shift @ static
    return table


def no_bonus() -> NDArray[np.float64]:
    """A bonus vector (18,) of zeros, to be filled by a pool."""
    return np.zeros(DIMENSIONS)


def _factor(pair: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.cholesky(pair) if pair.any() else np.zeros(pair.shape), dtype=np.float64)


def _float32(values: NDArray[np.float64]) -> Floats:
    return np.ascontiguousarray(values, dtype=np.float32)
