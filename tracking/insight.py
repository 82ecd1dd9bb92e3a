"""What the bandits know, in figures for people: everything follows from the sums, for any weights of the reward."""

from dataclasses import dataclass

import numpy as np

from engine.bandit.linucb import solve
from engine.bandit.statistics import Statistics
from engine.config import EngineConfig
from engine.features import NAMES
from engine.pools.table import BANDIT_POOLS
from tracking.rewards import KINDS, REWARDS, WEIGHTS
from tracking.state import Bandit, State


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReport:
    """One bandit.

    Parameters
    ----------
    updates : examined items learnt so far; `weight` is what they count now (the same unless the pool forgets)
    half_life_days : after which an examined item counts half; 0: for ever
    mean_reward, mean_by_kind : of an examined item
    theta : weight of each feature in the reward, on scaled features (over the square root of 18)
    residual_variance : of the reward around x'theta; 1 before there is data
    item_deviation : standard deviation of item effects
    exploration_width : alpha sigma sqrt(x' A^-1 x), the root of its mean square over the examined items; before there
        are any, at the norm 1, which is its largest
    selection_entropy : of the distribution of examinations over items, in bits; `items_in_effect` is 2 to its power
    """

    pool: str
    updates: int
    weight: float
    half_life_days: float
    mean_reward: float
    mean_by_kind: dict[str, float]
    theta: dict[str, float]
    residual_variance: float
    item_deviation: float
    exploration_width: float
    items: int
    selection_entropy: float
    items_in_effect: float


def reports(state: State, config: EngineConfig, weights: tuple[float, ...] = WEIGHTS) -> list[PoolReport]:
    """A report on each bandit."""
    alphas = {pool.name: pool.formula(config).alpha for pool in BANDIT_POOLS}
    return [_report(name, bandit, config, (alphas[name], weights)) for name, bandit in state.bandits.items()]


def _report(name: str, bandit: Bandit, config: EngineConfig, reward: tuple[float, tuple[float, ...]]) -> PoolReport:
    sums, (alpha, weights) = bandit.present(), reward
    model = solve(
        sums, np.array(weights), ridge=config.ridge_lambda, item_effects=config.item_effects,
        prior_deviation=config.item_effect_deviation,
    )  # fmt: skip
    by_kind = sums.item_reward.sum(axis=0) / max(sums.count, 1e-12)
    spread = float((model.inverse * sums.gram).sum()) / sums.count if sums.count else 1.0 / config.ridge_lambda
    entropy = selection_entropy(sums)
    return PoolReport(
        pool=name,
        updates=bandit.updates,
        weight=sums.count,
        half_life_days=bandit.half_life,
        mean_reward=float(by_kind @ np.array(weights)),
        mean_by_kind=dict(zip(KINDS, by_kind.tolist(), strict=True)),
        theta=dict(zip(NAMES, model.theta.tolist(), strict=True)),
        residual_variance=model.noise**2,
        item_deviation=model.deviation,
        exploration_width=alpha * model.noise * float(np.sqrt(spread)),
        items=len(sums.item_id),
        selection_entropy=entropy,
        items_in_effect=2.0**entropy if sums.count else 0.0,
    )


def selection_entropy(sums: Statistics) -> float:
    """How evenly examinations are spread over items, in bits: 0 for one item only, log2 of their number at most."""
    if not sums.count:
        return 0.0
    share = sums.item_count[sums.item_count > 0] / sums.item_count.sum()
    return max(0.0, float(-(share * np.log2(share)).sum()))


def weights_of(text: str) -> tuple[float, ...]:
    """Weights of the reward's kinds: the table's, but for those that `like=0.5, watch=0.1` names.

    Raises ValueError that names what is wrong.

    >>> weights_of("like=0.5")
    (0.4, 0.5, 0.15, 0.15, 0.1)
    """
    weights = dict(REWARDS)
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in weights:
            raise ValueError(f"{name!r} is no kind of reward: {', '.join(KINDS)}")
        try:
            weights[name] = float(value)
        except ValueError:
            raise ValueError(f"{name}: {value!r} is not a number") from None
        if not 0.0 <= weights[name] <= 1.0:
            raise ValueError(f"{name}: {value} is not within 0 to 1")
    return tuple(weights.values())
