from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bandit.statistics import Statistics
from engine.features import DIMENSIONS

KINDS = 3


def outcomes(seed: int, count: int):
    random = np.random.default_rng(seed)
    x = random.random((count, DIMENSIONS)) / np.sqrt(DIMENSIONS)
    return x, random.random((count, KINDS)), random.integers(0, 7, count) * 5


def learnt(x, rewards, items) -> Statistics:
    statistics = Statistics.empty(KINDS)
    statistics.observe(x, rewards, items)
    return statistics


def close(left: Statistics, right: Statistics) -> bool:
    pairs = zip(left.to_arrays().values(), right.to_arrays().values(), strict=True)
    return all(a.shape == b.shape and np.allclose(a, b, rtol=0, atol=1e-9) for a, b in pairs)


@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 40), max_size=5))
def test_any_batching_and_any_order_of_merging_gives_the_same_sums(seed, cuts):
    x, rewards, items = outcomes(seed, 40)
    edges = [0, *sorted(cuts), 40]
    parts = [learnt(x[a:b], rewards[a:b], items[a:b]) for a, b in pairwise(edges)]
    merged = Statistics.empty(KINDS)
    for index in np.random.default_rng(seed).permutation(len(parts)):
        merged.merge(parts[index])
    assert close(merged, learnt(x, rewards, items))


@given(seed=st.integers(0, 10_000))
def test_a_revised_reward_equals_having_learnt_it_at_once(seed):
    x, before, items = outcomes(seed, 20)
    after = np.random.default_rng(seed + 1).random((20, KINDS))
    revised = learnt(x, before, items)
    revised.revise(x, before, after, items)
    assert close(revised, learnt(x, after, items))


def test_arrays_bring_back_the_same_statistics():
    statistics = learnt(*outcomes(1, 30))
    assert Statistics.of_arrays(statistics.to_arrays()) == statistics


def test_statistics_with_different_sums_are_not_equal():
    assert learnt(*outcomes(1, 30)) != learnt(*outcomes(2, 30))


@pytest.mark.parametrize(
    ("x", "rewards", "items", "named"),
    [
        (np.zeros((2, 17)), np.zeros((2, KINDS)), [1, 2], "x"),
        (np.zeros((2, DIMENSIONS)), np.zeros((2, KINDS + 1)), [1, 2], "rewards"),
        (np.zeros((2, DIMENSIONS)), np.zeros((2, KINDS)), [1], "items"),
        (np.full((1, DIMENSIONS), np.nan), np.zeros((1, KINDS)), [1], "x"),
    ],
)
def test_a_wrong_shape_or_value_is_refused_by_name_and_learns_nothing(x, rewards, items, named):
    statistics = Statistics.empty(KINDS)
    with pytest.raises(ValueError, match=f"^{named}: "):
        statistics.observe(x, rewards, np.array(items))
    assert statistics == Statistics.empty(KINDS)


def test_sums_of_other_kinds_do_not_merge():
    with pytest.raises(ValueError, match="kinds"):
        Statistics.empty(2).merge(Statistics.empty(3))
