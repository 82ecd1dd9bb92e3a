"""Forgetting by event time: still a fold, still mergeable, and quicker where tastes drift."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bandit.linucb import solve
from engine.bandit.policy import LEARNING_POOLS
from engine.features import DIMENSIONS
from tests.tracking.logs import difference, folded, log_rows, state_in, store
from tests.tracking.worlds import NOON, decision, event
from tracking.learner import Learner
from tracking.policies import PolicyStore
from tracking.rewards import KINDS
from tracking.sqlite_sink import SqliteSink
from tracking.state import DAY, Bandit, State

TEN_DAYS = dict.fromkeys(LEARNING_POOLS, 10.0)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 20), st.randoms(use_true_random=False))
def test_with_forgetting_any_order_and_batching_gives_the_same_state(
    tmp_path_factory: pytest.TempPathFactory, seed: int, limit: int, chance: st.DataObject
) -> None:
    folder, rows = tmp_path_factory.mktemp("forgets"), log_rows(seed)
    straight, shuffled = SqliteSink(folder / "straight.sqlite"), SqliteSink(folder / "shuffled.sqlite")
    store(straight, *rows)
    chance.shuffle(rows)
    store(shuffled, *rows)
    one, other = folded(straight, State.empty(TEN_DAYS)), folded(shuffled, State.empty(TEN_DAYS), limit)
    assert difference(one, other) < 1e-9


def bandit_of(*days: float, half_life: float = 10.0) -> Bandit:
    """A bandit that examined item 1 once on each of these days after 2026-01-01, with the reward 1."""
    bandit, zero = Bandit(half_life), 1_767_225_600.0
    for day in days:
        x, rewards = np.ones((1, DIMENSIONS)) / DIMENSIONS, np.ones((1, len(KINDS)))
        bandit.observe(x, rewards, np.array([1]), np.array([zero + day * DAY]))
    return bandit


def test_what_is_one_half_life_old_counts_half() -> None:
    assert bandit_of(0.0, 10.0, 20.0).present().count == pytest.approx(1.75)
    assert bandit_of(20.0, 0.0, 10.0).present().count == pytest.approx(1.75)
    assert bandit_of(0.0, 10.0, 20.0, half_life=0.0).present().count == 3.0
    assert bandit_of(0.0, 10.0, 20.0).updates == 3


@pytest.mark.parametrize("day", [0.0, 3.7, 9.99])
def test_the_newest_counts_one_whatever_the_reference(day: float) -> None:
    assert bandit_of(day).present().count == pytest.approx(1.0)
    assert bandit_of(0.0, day).present().count == pytest.approx(1.0 + 0.5 ** (day / 10))


def test_years_neither_overflow_nor_leave_what_nobody_examines() -> None:
    bandit = bandit_of(0.0, 20_000.0, half_life=0.5)
    assert np.isfinite(bandit.sums.gram).all()
    assert bandit.present().count == pytest.approx(1.0)
    old = Bandit(1.0)
    for item, day in ((1, 0.0), (2, 400.0)):
        x, rewards = np.ones((1, DIMENSIONS)) / DIMENSIONS, np.ones((1, len(KINDS)))
        old.observe(x, rewards, np.array([item]), np.array([1.7e9 + day * DAY]))
    assert old.present().item_id.tolist() == [2]
    model = solve(old.present(), np.ones(len(KINDS)), ridge=1.0, item_effects=True, prior_deviation=0.15)
    assert np.isfinite(model.item_mean).all()


def test_two_paces_are_not_merged() -> None:
    with pytest.raises(ValueError, match="half_life"):
        bandit_of(1.0).merge(bandit_of(1.0, half_life=3.0))


def test_tastes_that_turned_are_followed_sooner() -> None:
    """A feature earned 1 for sixty days and 0 for thirty; another the reverse."""
    days = np.arange(0, 90, 0.1)
    x = np.zeros((len(days), DIMENSIONS))
    x[np.arange(len(days)), np.arange(len(days)) % 2] = 0.25
    right = (np.arange(len(days)) % 2 == 0) == (days < 60)
    rewards = np.repeat(right[:, None].astype(float), len(KINDS), axis=1)
    thetas = {}
    for pace in (0.0, 7.0):
        bandit = Bandit(pace)
        bandit.observe(x, rewards, np.arange(len(days)), 1.7e9 + days * DAY)
        weights = np.full(len(KINDS), 1 / len(KINDS))
        thetas[pace] = solve(bandit.present(), weights, ridge=1.0, item_effects=False, prior_deviation=0.15).theta
    assert thetas[0.0][0] > thetas[0.0][1]
    assert thetas[7.0][0] < thetas[7.0][1] - 1.0


def test_the_learner_forgets_at_the_pace_of_the_setting_and_publishes_what_is_left(tmp_path: Path) -> None:
    sink, folder = SqliteSink(tmp_path / "activity.sqlite"), tmp_path / "policies"
    store(sink, decision("f1", "AU:2"), event(1, video_id=2, feed_id="f1"))
    later = decision("f2", "AU:3")
    store(
        sink, type(later)(**{n: getattr(later, n) for n in later.__slots__} | {"served_at": NOON + timedelta(days=5)})
    )
    store(sink, event(2, video_id=3, feed_id="f2"))
    Learner(sink, folder, half_lives={"AU": 5.0}).learn()
    assert PolicyStore(folder).load_current().statistics["AU"].count == pytest.approx(1.5)
    assert state_in(folder).half_lives == {"VMP": 0.0, "AU": 5.0, "NU": 0.0}


def test_another_pace_counts_from_a_rebuild_on_and_is_told_until_then(tmp_path: Path) -> None:
    sink, folder = SqliteSink(tmp_path / "activity.sqlite"), tmp_path / "policies"
    store(sink, *log_rows(2))
    Learner(sink, folder).learn()
    learner = Learner(sink, folder, half_lives=TEN_DAYS)
    learner.learn()
    assert learner.problem.startswith("VMP_HALF_LIFE_DAYS is 10")
    assert state_in(folder).half_lives["VMP"] == 0.0
    learner.rebuild()
    assert learner.problem == ""
    assert difference(state_in(folder), folded(sink, State.empty(TEN_DAYS))) < 1e-9
