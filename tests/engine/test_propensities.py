"""The logged chances are the true ones: they sum to one over all slates, and the draws follow them."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from engine.assemble import propensity
from engine.board import Board
from engine.config import EngineConfig
from engine.engine import Engine
from engine.features import INDEX
from engine.feed_types import FeedRequest
from engine.pools.fw import winning_probability
from engine.pools.picks import Pick, probabilities
from engine.pools.table import POOLS
from tests.support.worlds import random_world, trained_policy

# Without a confidence bonus and a taste for chance no score depends on the seed, so that draws of different seeds can
# be counted together.
STILL = {"vmp_alpha": 0.0, "au_alpha": 0.0, "nu_alpha": 0.0, "nu_random": 0.0}


def engine_on(world, **numbers) -> Engine:
    policy = trained_policy(1, world, without=INDEX["random_exploration"])
    return Engine(world, policy, EngineConfig(**{**STILL, **numbers}))


def chance(engine: Engine, pool: str, placed: tuple[int, ...], row: int, seed: int = 0) -> float:
    """The chance that the slot after `placed` takes `row`."""
    board = Board(engine.kernel, engine.config, FeedRequest(user_id=-1, seed=seed))
    try:
        for earlier in placed:
            board.place(POOLS[pool].kind, earlier)
        return propensity(board, POOLS[pool], row)
    finally:
        board.close()


def slate_total(engine: Engine, pool: str, rows: range, length: int, placed: tuple[int, ...] = ()) -> float:
    """The summed chance of every slate of this length that starts with `placed`."""
    if len(placed) == length:
        return 1.0
    total = 0.0
    for row in rows:
        here = chance(engine, pool, placed, row)
        total += here and here * slate_total(engine, pool, rows, length, (*placed, row))
    return total


@pytest.mark.parametrize("pool", ["VMP", "AU", "NU", "EXPLORE"])
@pytest.mark.parametrize("top", [2, 200])
def test_chances_sum_to_one_over_all_slates_of_a_tiny_catalogue(pool, top):
    world = random_world(4, videos=5, creators=500)
    world.video_features[8] = 1
    world.video_fresh[:] = 1
    engine = engine_on(world, top_candidates=top)
    assert slate_total(engine, pool, range(5), 3) == pytest.approx(1.0, abs=1e-9)


def test_chances_sum_to_one_when_the_creator_window_takes_candidates_away():
    world = random_world(4, videos=7, creators=3)
    world.video_features[8] = 1
    engine = engine_on(world, creator_window=2)
    assert slate_total(engine, "VMP", range(7), 3) == pytest.approx(1.0, abs=1e-9)


def test_chances_of_flows_sum_to_one():
    world = random_world(4, flows=7, creators=500)
    assert slate_total(engine_on(world), "FW", range(7), 2) == pytest.approx(1.0, abs=1e-6)


def test_chances_match_monte_carlo_slates_of_a_larger_catalogue():
    """Of 4,000 feeds, the first pick of each item and the second given the first come as often as their chance says."""
    engine = engine_on(random_world(9, videos=60, creators=600), pattern="VMP", explore_rate=0.1)
    feeds = [engine.feed(FeedRequest(user_id=-1, seed=seed, size=2)) for seed in range(4000)]
    firsts = Counter(feed.items[0].row for feed in feeds)
    assert_follows(firsts, {row: chance(engine, "VMP", (), row) for row in range(60)})
    favourite = firsts.most_common(1)[0][0]
    seconds = Counter(feed.items[1].row for feed in feeds if feed.items[0].row == favourite)
    assert_follows(seconds, {row: chance(engine, "VMP", (favourite,), row) for row in range(60)})


@pytest.mark.parametrize("pool", ["AU", "NU", "FW"])
def test_chances_match_the_draws_of_other_pools(pool):
    engine = engine_on(random_world(9, videos=60, creators=600, flows=8), pattern=pool, explore_rate=0.2)
    counts = Counter(engine.feed(FeedRequest(user_id=-1, seed=seed, size=1)).items[0].row for seed in range(3000))
    rows = range(8 if pool == "FW" else 60)
    assert_follows(counts, {row: chance(engine, pool, (), row) for row in rows})


def assert_follows(counts: Counter, chances: dict[int, float]) -> None:
    """Each count is within 4.5 deviations of its binomial expectation, and all chances together are one."""
    total = counts.total()
    assert sum(chances.values()) == pytest.approx(1.0, abs=1e-6)
    assert total > 100
    for row, expected in chances.items():
        deviation = np.sqrt(total * expected * (1 - expected)) + 0.5
        assert abs(counts[row] - total * expected) < 4.5 * deviation, row


def test_every_item_of_a_feed_carries_the_chance_that_the_board_computes(embedded_engine):
    feed = embedded_engine.feed(FeedRequest(user_id=7, seed=12))
    board = Board(embedded_engine.kernel, embedded_engine.config, FeedRequest(user_id=7, seed=12))
    try:
        for item in feed.items:
            assert item.propensity == pytest.approx(propensity(board, POOLS[item.slot], item.row), rel=1e-9)
            board.place(item.kind, item.row)
    finally:
        board.close()


@pytest.mark.parametrize("seed", range(5))
def test_winning_chances_of_flows_match_a_million_draws(seed):
    random = np.random.default_rng(seed)
    head_start = 60 * random.random(6)
    wins = (head_start + 40 * random.random((200_000, 6))).argmax(axis=1)
    for index in range(6):
        assert winning_probability(head_start, 40.0, index) == pytest.approx((wins == index).mean(), abs=0.006)


def test_weights_follow_the_softmax_of_scores():
    scores = np.array([3.0, 2.0, 0.5], dtype=np.float32)
    chances = probabilities(Pick.SOFTMAX, scores)
    assert all(
        a / b == pytest.approx(np.exp(x - y))
        for (a, b), (x, y) in zip(pairwise(chances), pairwise(scores), strict=True)
    )
