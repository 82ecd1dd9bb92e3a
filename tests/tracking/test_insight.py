"""What the figures on the bandits mean, on sums that can be worked out by hand."""

import numpy as np
import pytest

from engine.config import EngineConfig
from engine.features import DIMENSIONS, INDEX, NAMES
from tracking.insight import PoolReport, reports, weights_of
from tracking.rewards import KINDS, WEIGHTS
from tracking.state import State

LIKE = KINDS.index("like")


def liked(*likes: float, items: tuple[int, ...] | None = None) -> State:
    """The state after AU examined items with these likes; x has 1 in skill_similarity and nothing else."""
    state, count = State(), len(likes)
    x, rewards = np.zeros((count, DIMENSIONS)), np.zeros((count, len(KINDS)))
    x[:, INDEX["skill_similarity"]] = 1.0
    rewards[:, LIKE] = likes
    state.bandits["AU"].observe(x, rewards, np.array(items or range(count)), np.full(count, 1.7e9))
    return state


def au(state: State, weights: tuple[float, ...] = WEIGHTS) -> PoolReport:
    return next(report for report in reports(state, EngineConfig(), weights) if report.pool == "AU")


def test_theta_mean_variance_and_width_are_those_of_the_ridge_regression() -> None:
    found = au(liked(1.0, 0.0, 1.0), weights_of("like=1"))
    assert found.updates == 3
    assert found.theta["skill_similarity"] == pytest.approx(2 / 4)  # two likes, three examined and the ridge of 1
    assert set(found.theta) == set(NAMES)
    assert found.mean_reward == pytest.approx(2 / 3)
    assert found.mean_by_kind == {
        "watch": 0.0,
        "like": pytest.approx(2 / 3),
        "rating": 0.0,
        "connection": 0.0,
        "share": 0.0,
    }
    assert found.residual_variance == pytest.approx((1 + 0.75) / 4)
    assert found.exploration_width == pytest.approx(1.8 * np.sqrt(found.residual_variance) * np.sqrt(1 / 4))


def test_other_weights_can_be_tried_on_the_same_sums() -> None:
    state = liked(1.0, 0.0, 1.0)
    assert au(state).theta["skill_similarity"] == pytest.approx(WEIGHTS[LIKE] * 0.5)
    assert au(state, weights_of("like=0.5")).theta["skill_similarity"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("items", "bits"), [((1, 1, 1, 1), 0.0), ((1, 1, 2, 2), 1.0), ((1, 2, 3, 4), 2.0), ((1, 1, 1, 2), 0.8113)]
)
def test_selection_entropy_is_that_of_the_examinations(items: tuple[int, ...], bits: float) -> None:
    found = au(liked(1.0, 0.0, 1.0, 0.0, items=items))
    assert found.selection_entropy == pytest.approx(bits, abs=1e-4)
    assert found.items_in_effect == pytest.approx(2**bits, abs=1e-3)
    assert found.items == len(set(items))


def test_before_anything_is_learnt_the_width_is_the_widest() -> None:
    found = au(State())
    assert (found.updates, found.residual_variance, found.selection_entropy) == (0, 1.0, 0.0)
    assert found.exploration_width == pytest.approx(1.8)


@pytest.mark.parametrize(
    ("text", "named"), [("liek=1", "liek"), ("like=much", "like"), ("like=2", "like"), ("like", "like")]
)
def test_a_wrong_weight_is_named(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        weights_of(text)
