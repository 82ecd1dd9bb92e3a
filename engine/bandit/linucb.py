"""LinUCB with item effects: from sums to a model, and the plain score of one item.

The regression is solved from the sums at each publication and never patched: sums stay exact in float64, while
Sherman-Morrison updates drift.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.bandit.statistics import Statistics
from engine.features import DIMENSIONS

Floats = NDArray[np.float64]

LEAST_REPEATS = 100.0
DEVIATION_RANGE = (0.02, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A solved bandit.

    Parameters
    ----------
    theta : (18,), the regression's weights on scaled features
    inverse : (18, 18), the inverse of A = ridge I + sum x x'
    noise : residual standard deviation (1 before there is data)
    deviation : standard deviation of item effects; 0 switches them off
    item_id, item_mean, item_deviation : (M,), per examined video its shrunken mean residual m_i and V_i
    """

    theta: Floats
    inverse: Floats
    noise: float
    deviation: float
    item_id: NDArray[np.int64]
    item_mean: Floats
    item_deviation: Floats


def solve(
    statistics: Statistics, weights: Floats, *, ridge: float, item_effects: bool, prior_deviation: float
) -> Model:
    """Fit the ridge regression and the item effects of one bandit.

    `weights` (K,) turn reward kinds into the reward. The residual variance is
    ``(1 + sum of squared residuals) / (1 + n)``: 1 before there is data, the mean squared residual after some.
    Item effects (empirical Bayes): m_i = n_i / (n_i + k) * mean residual, V_i = tau sqrt(k / (n_i + k)),
    k = noise^2 / tau^2; an item never examined has mean 0 and deviation tau.

    >>> model = solve(Statistics.empty(1), np.ones(1), ridge=1.0, item_effects=True, prior_deviation=0.15)
    >>> float(model.noise), float(abs(model.theta).max())
    (1.0, 0.0)
    """
    moment = weights @ statistics.moment
    design = ridge * np.eye(DIMENSIONS) + statistics.gram
    theta: Floats = np.linalg.solve(design, moment).astype(np.float64)
    inverse = np.linalg.inv(design)
    squares = float(weights @ statistics.square @ weights)
    residual = max(0.0, squares - 2.0 * float(theta @ moment) + float(theta @ statistics.gram @ theta))
    variance = (1.0 + residual) / (1.0 + statistics.count)
    deviation, item_mean, item_deviation = 0.0, np.zeros(0), np.zeros(0)
    if item_effects:
        item_residual = statistics.item_reward @ weights - statistics.item_features @ theta
        deviation = effect_deviation(item_residual, statistics.item_count, variance, prior_deviation)
        shrink = variance / deviation**2
        item_mean = item_residual / (statistics.item_count + shrink)
        item_deviation = deviation * np.sqrt(shrink / (statistics.item_count + shrink))
    return Model(
        theta=theta,
        inverse=0.5 * (inverse + inverse.T),
        noise=float(np.sqrt(variance)),
        deviation=deviation,
        item_id=statistics.item_id if item_effects else statistics.item_id[:0],
        item_mean=item_mean,
        item_deviation=item_deviation,
    )


def effect_deviation(item_residual: Floats, item_count: Floats, variance: float, prior: float) -> float:
    """The standard deviation of item effects, by the method of moments once items repeat often enough.

    With residual means e_i over n_i examinations of m items, n in all: E[sum n_i e_i^2] = n tau^2 + m (s^2 - tau^2),
    where s^2 is the residual variance. Below `LEAST_REPEATS` repeated examinations the prior stands.
    Where older examinations weigh less, n_i are sums of weights and an item that has faded counts in m by its n_i.
    Source: the analysis-of-variance estimator of a one-way random effect (Searle, Casella and McCulloch 1992, ch. 3).
    """
    items = float(np.minimum(item_count, 1.0).sum())
    repeats = float(item_count.sum()) - items
    if repeats < LEAST_REPEATS:
        return prior
    between = float((item_residual**2 / item_count).sum())
    estimate = (between - items * variance) / repeats
    return float(np.sqrt(np.clip(estimate, DEVIATION_RANGE[0] ** 2, DEVIATION_RANGE[1] ** 2)))


def item_effects_of(model: Model, video_ids: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """m_i and V_i for these videos (each (N,)): 0 and tau for those never examined."""
    mean, deviation = np.zeros(len(video_ids)), np.full(len(video_ids), model.deviation)
    if len(model.item_id):
        place = np.minimum(np.searchsorted(model.item_id, video_ids), len(model.item_id) - 1)
        known = model.item_id[place] == video_ids
        mean[known] = model.item_mean[place[known]]
        deviation[known] = model.item_deviation[place[known]]
    return mean, deviation


def upper_confidence_bound(
    model: Model, x: Floats, video_ids: NDArray[np.int64], *, alpha: float, beta: float
) -> Floats:
    """The plain score of `m` items: x'theta + m_i + alpha noise sqrt(x' A^-1 x) + beta V_i, float64.

    x (m, 18) is scaled. This is the definition; `engine.kernel` computes the same faster.
    """
    mean, deviation = item_effects_of(model, video_ids)
    width = np.sqrt(np.einsum("ij,jk,ik->i", x, model.inverse, x))
    return np.asarray(x @ model.theta + mean + alpha * model.noise * width + beta * deviation)
