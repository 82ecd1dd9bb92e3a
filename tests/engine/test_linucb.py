import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bandit.linucb import effect_deviation, solve, upper_confidence_bound
from engine.bandit.statistics import Statistics
from engine.features import DIMENSIONS

ALPHA, BETA, PRIOR = 1.5, 0.8, 0.15


def ten_line_reference(x, r, items, query, query_items, item_effects):
    a = np.eye(DIMENSIONS) + sum(np.outer(row, row) for row in x)
    theta = np.linalg.inv(a) @ sum(reward * row for reward, row in zip(r, x, strict=True))
    residual = r - x @ theta
    variance = (1 + (residual**2).sum()) / (1 + len(r))
    score = query @ theta + ALPHA * np.sqrt(variance) * np.sqrt([q @ np.linalg.inv(a) @ q for q in query])
    if item_effects:
        n = np.array([(items == i).sum() for i in query_items])
        k = variance / PRIOR**2
        total = np.array([residual[items == i].sum() for i in query_items])
        score = score + total / (n + k) + BETA * PRIOR * np.sqrt(k / (n + k))
    return score


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 90), item_effects=st.booleans())
def test_scores_equal_a_ten_line_reference(seed, count, item_effects):
    random = np.random.default_rng(seed)
    x = random.random((count, DIMENSIONS)) / np.sqrt(DIMENSIONS)
    rewards, items = random.random(count), random.integers(0, 30, count)
    query, query_items = random.random((8, DIMENSIONS)) / np.sqrt(DIMENSIONS), np.arange(28, 36)
    statistics = Statistics.empty(1)
    for part in np.array_split(np.arange(count), 3):
        statistics.observe(x[part], rewards[part, None], items[part])
    model = solve(statistics, np.ones(1), ridge=1.0, item_effects=item_effects, prior_deviation=PRIOR)
    got = upper_confidence_bound(model, query, query_items, alpha=ALPHA, beta=BETA)
    expected = ten_line_reference(x, rewards, items, query, query_items, item_effects)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)


def test_weights_of_reward_kinds_change_the_model_without_learning_again():
    random = np.random.default_rng(3)
    x, kinds = random.random((50, DIMENSIONS)), random.random((50, 2))
    items = random.integers(0, 9, 50)
    both, single = Statistics.empty(2), Statistics.empty(1)
    both.observe(x, kinds, items)
    weights = np.array([0.3, 0.7])
    single.observe(x, kinds @ weights[:, None], items)
    options = {"ridge": 1.0, "item_effects": True, "prior_deviation": PRIOR}
    left, right = solve(both, weights, **options), solve(single, np.ones(1), **options)
    np.testing.assert_allclose(left.theta, right.theta, atol=1e-9)
    np.testing.assert_allclose(left.item_mean, right.item_mean, atol=1e-9)
    assert left.noise == pytest.approx(right.noise, abs=1e-9)


def test_the_deviation_of_item_effects_is_recovered_from_enough_repeats():
    random = np.random.default_rng(5)
    effects, count = random.normal(0, 0.25, 400), np.full(400, 50.0)
    noise = random.normal(0, 0.4, (400, 50)).sum(axis=1)
    total = effects * 50 + noise
    estimate = effect_deviation(total, count, 0.25**2 + 0.4**2, PRIOR)
    assert estimate == pytest.approx(0.25, abs=0.02)


def test_few_repeats_keep_the_prior_deviation():
    assert effect_deviation(np.array([0.5, -0.5]), np.array([3.0, 2.0]), 0.2, PRIOR) == PRIOR
