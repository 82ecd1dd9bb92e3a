"""Every kernel equals the definition, and the compiled one equals the plain one on every pick."""

from dataclasses import replace

import numpy as np
import pytest
from engine.kernel._kernel import lib
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import randomness
from engine.bandit.linucb import upper_confidence_bound
from engine.bandit.policy import Policy
from engine.config import EngineConfig
from engine.engine import Engine
from engine.features import DIMENSIONS, PAIR_COLUMNS, VIDEO_COLUMNS, scaled
from engine.feed import standing
from engine.feed_types import FeedRequest, Seen
from engine.kernel.base import EVERY_FLAG, NEVER, Viewer
from engine.kernel.compiled import CompiledKernel
from engine.kernel.reference import ReferenceKernel
from engine.pools import explore, fw
from engine.pools.table import BANDIT_POOLS
from engine.ready_tables import solved
from engine.seen import FIELDS
from tests.support.worlds import random_world, trained_policy

KERNELS = [CompiledKernel, ReferenceKernel]


@pytest.fixture(params=KERNELS, ids=lambda kernel: kernel.name)
def engine(request) -> Engine:
    world = random_world(7, videos=1200)
    return Engine(world, trained_policy(7, world), EngineConfig(), request.param)


@pytest.mark.parametrize("pool", BANDIT_POOLS, ids=lambda pool: pool.name)
@pytest.mark.parametrize("user", [3, 17, 999])
def test_scores_are_the_bandits_bound_plus_the_pools_bonuses(engine, pool, user):
    world, rows = engine.world, np.arange(engine.world.videos, dtype=np.int32)
    sheet = engine.kernel.sheet(Viewer.of(world, user, seed=11))
    (ranked,) = sheet.rank([pool.name], [world.videos + 1], EVERY_FLAG)
    features = np.zeros((world.videos, DIMENSIONS), dtype=np.float32)
    features[:, VIDEO_COLUMNS] = world.video_features.T
    features[:, PAIR_COLUMNS] = sheet.pair_features(rows)
    formula = engine.formulas[pool.name]
    model = solved(engine.policy, engine.config, pool.name)
    bound = upper_confidence_bound(model, scaled(features), world.video_id, alpha=formula.alpha, beta=formula.beta)
    expected = bound + features @ formula.bonus + formula.fresh * world.video_fresh
    assert ranked.complete
    assert set(ranked.rows) == set(np.flatnonzero(pool.admits(world)))
    np.testing.assert_allclose(ranked.scores, expected[ranked.rows], rtol=2e-5, atol=2e-5)
    assert (np.diff(ranked.scores) <= 0).all()


def test_pair_features_follow_the_definition(engine):
    world, user = engine.world, 5
    rows = np.arange(world.videos, dtype=np.int32)
    similarity, match, place, social, chance = engine.kernel.sheet(Viewer.of(world, user, 3)).pair_features(rows).T
    cosine = np.clip(world.video_embeddings() @ world.user_embedding[user], 0, 1)
    np.testing.assert_allclose(similarity, cosine, atol=1e-6)
    same_city = (world.video_city == world.user_city[user]) & (world.video_city >= 0)
    same_country = (world.video_country == world.user_country[user]) & (world.video_country >= 0)
    np.testing.assert_array_equal(place, np.where(same_city, 1, np.where(same_country, 0.5, 0)))
    np.testing.assert_allclose(match, brute_match(world, user), atol=1e-6)
    np.testing.assert_allclose(social, brute_social(world, user), atol=1e-6)
    assert 0 <= chance.min() < 0.02
    assert 0.98 < chance.max() < 1
    assert abs(chance.mean() - 0.5) < 0.03


def brute_match(world, user):
    own = set(world.user_term[world.user_term_start[user] : world.user_term_start[user + 1]])
    match = np.zeros(world.videos)
    for term in own:
        for at in range(world.term_start[term], world.term_start[term + 1]):
            match[world.term_video[at]] += world.term_weight[at]
    return match


def brute_social(world, user):
    def friends(person):
        return set(world.user_friend[world.user_friend_start[person] : world.user_friend_start[person + 1]])

    near = friends(user)
    far = {person for friend in near for person in friends(friend)}
    social = np.zeros(world.videos)
    for row in range(world.videos):
        makers = {int(u) for u in np.flatnonzero(world.user_creator == world.video_creator[row])}
        social[row] = 1.0 if makers & near else 0.5 if makers & far else 0.0
    for friend in near:
        for row in world.user_liked[world.user_liked_start[friend] : world.user_liked_start[friend + 1]]:
            social[row] += 0.25
    return np.minimum(social, 1)


def test_a_viewer_nobody_knows_has_no_pair_features_but_chance(engine):
    rows = np.arange(engine.world.videos, dtype=np.int32)
    features = engine.kernel.sheet(Viewer.of(engine.world, 10**15, 3)).pair_features(rows)
    assert not features[:, :4].any()
    assert features[:, 4].any()


def test_flagged_rows_never_rank_and_the_best_k_are_the_first_of_all(engine):
    sheet = engine.kernel.sheet(Viewer.of(engine.world, 3, 5))
    refused = np.arange(0, 1200, 3, dtype=np.int32)
    assert sheet.mark(refused, 4) == len(refused)
    assert sheet.mark(refused, 2) == 0
    (everything,) = sheet.rank(["AU"], [1201], EVERY_FLAG)
    (best,) = sheet.rank(["AU"], [37], EVERY_FLAG)
    assert not set(everything.rows) & set(refused)
    np.testing.assert_array_equal(best.rows, everything.rows[:37])
    (lifted,) = sheet.rank(["AU"], [1201], EVERY_FLAG & ~6)
    assert len(lifted.rows) == 1200


def test_allowed_steps_over_flags_and_near_creators(engine):
    world = engine.world
    sheet = engine.kernel.sheet(Viewer.of(world, 3, 5))
    (ranked,) = sheet.rank(["AU"], [50], EVERY_FLAG)
    sheet.mark(ranked.rows[:2], 1)
    sheet.creator_last[world.video_creator[ranked.rows[2]]] = 4
    indices = sheet.allowed(ranked, 5, EVERY_FLAG, 10, 7)
    clear = [i for i, row in enumerate(ranked.rows) if i > 1 and 10 - sheet.creator_last[world.video_creator[row]] >= 7]
    assert indices.tolist() == clear[:5]
    creators = np.unique(world.video_creator[:3])
    free = np.isin(world.video_creator, creators) & (sheet.flags == 0)
    assert sheet.open_rows(creators, EVERY_FLAG) == free.sum()


def test_a_wiped_sheet_is_as_new(engine):
    world = engine.world
    first = engine.kernel.sheet(Viewer.of(world, 3, 5))
    (before,) = first.rank(["VMP"], [40], EVERY_FLAG)
    first.mark(before.rows, 1)
    first.creator_last[:5] = 3
    first.wipe()
    again = engine.kernel.sheet(Viewer.of(world, 3, 5))
    assert not again.flags.any()
    assert (again.creator_last == NEVER).all()
    (after,) = again.rank(["VMP"], [40], EVERY_FLAG)
    np.testing.assert_array_equal(before.rows, after.rows)


def test_what_a_viewer_spread_over_a_sheet_is_gone_when_it_is_wiped():
    world = random_world(7, videos=1200)
    kernel = Engine(world, trained_policy(7, world), EngineConfig()).kernel
    assert isinstance(kernel, CompiledKernel)
    written = np.zeros(3)
    for user, depth in zip(range(20), [1, 40, 1201] * 7, strict=False):
        sheet = kernel.sheet(Viewer.of(world, user, 5))
        sheet.rank(["AU", "VMP"], [depth, depth], EVERY_FLAG)
        written += [array.any() for array in (sheet.match, sheet.nearness, sheet.social)]
        sheet.wipe()
        assert not any(array.any() for array in (sheet.match, sheet.nearness, sheet.social))
    assert (written > 3).all()


def test_ties_break_by_the_seed_and_not_by_row_order(engine):
    world = random_world(1, videos=400)
    for name in ("video_features", "video_skill_weight", "more_skill_weight", "video_fresh"):
        getattr(world, name)[:] = 0
    flat = Engine(world, Policy.untrained((1.0,)), EngineConfig(au_alpha=0.0), type(engine.kernel))
    tops = []
    for seed in range(30):
        (ranked,) = flat.kernel.sheet(Viewer.of(world, 999, seed)).rank(["AU"], [10], EVERY_FLAG)
        assert len(set(ranked.scores.tolist())) == 1
        tops.append(int(ranked.rows[0]))
    assert len(set(tops)) > 20


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 100_000), videos=st.integers(0, 700), size=st.integers(1, 96), user=st.integers(0, 70))
def test_the_compiled_kernel_equals_the_plain_one_on_every_pick(seed, videos, size, user):
    world = random_world(seed % 97, videos=videos, creators=1 + videos // 4)
    policy, config = trained_policy(seed, world) if videos else Policy.untrained((1.0,)), EngineConfig()
    seen = Seen(served_videos=(1, 4), watched_videos=(7, 10), last_creators=(1, 2, 3))
    request = FeedRequest(user_id=user, seed=seed, size=size, excluded_videos=tuple(range(0, 60, 3)), seen=seen)
    fast = Engine(world, policy, config, CompiledKernel).feed(request)
    plain = Engine(world, policy, config, ReferenceKernel).feed(request)
    assert [item._replace(propensity=0) for item in fast.items] == [item._replace(propensity=0) for item in plain.items]
    chances = [[item.propensity for item in feed.items] for feed in (fast, plain)]
    np.testing.assert_allclose(*chances, rtol=1e-9)
    assert fast.relaxed == plain.relaxed
    np.testing.assert_array_equal(fast.features, plain.features)


@pytest.mark.parametrize("pattern", ["VMP", "AU", "NU", "FW", "EXPLORE", "VMP,AU,AU,VMP,NU,FW"])
@pytest.mark.parametrize("explore_rate", [0.0, 0.05, 1.0])
def test_a_feed_where_nothing_gives_way_is_drafted_in_one_call_and_equals_the_plain_one(pattern, explore_rate):
    world = random_world(2, videos=600, creators=300, flows=60)
    config = EngineConfig(pattern=pattern, explore_rate=explore_rate)
    policy = trained_policy(2, world)
    fast, plain = Engine(world, policy, config), Engine(world, policy, config, ReferenceKernel)
    for seed in range(20):
        request = FeedRequest(user_id=seed, seed=seed, size=30, seen=Seen(last_creators=(5, 6, 7, 5)))
        drafted, assembled = fast.feed(request), plain.feed(request)
        assert not assembled.relaxed
        assert_drafted(fast, request)
        for left, right in zip(drafted.items, assembled.items, strict=True):
            assert left == right._replace(propensity=left.propensity)
            assert left.propensity == pytest.approx(right.propensity, rel=1e-9)


IDS = st.lists(st.integers(-3, 900) | st.sampled_from([-(2**63), 2**31, 2**63 - 1]), max_size=40).map(tuple)


@settings(max_examples=60, deadline=None)
@given(
    seen=st.builds(Seen, **dict.fromkeys(FIELDS, IDS)),
    videos=IDS,
    flows=IDS,
    user=st.integers(0, 70),
    seed=st.integers(0, 2**63 - 1),
)
def test_ids_are_refused_alike_whether_known_or_not_and_however_often(seen, videos, flows, user, seed):
    world, policy = random_world(5, videos=300, creators=150, flows=40), Policy.untrained((1.0,))
    fast, plain = (Engine(world, policy, EngineConfig(), kernel) for kernel in KERNELS)
    full = FeedRequest(user_id=user, seed=seed, excluded_videos=videos, excluded_flows=flows, seen=seen)
    for request in (full, FeedRequest(user_id=user, seed=seed)):  # the second shows what the first has left behind
        left, right = fast.feed(request), plain.feed(request)
        assert [item._replace(propensity=0) for item in left.items] == [i._replace(propensity=0) for i in right.items]
        assert left.relaxed == right.relaxed


def test_bounds_on_closeness_leave_out_nothing_that_wins():
    world = random_world(5, videos=6000, creators=3000, users=60)
    policy, config = trained_policy(5, world), EngineConfig()
    fast, plain = Engine(world, policy, config), Engine(world, policy, config, ReferenceKernel)
    for user in range(0, 61, 6):
        viewer, flagged = Viewer.of(world, user, user), np.arange(user, 6000, 7, dtype=np.int32)
        lists = []
        for engine in (fast, plain):
            sheet = engine.kernel.sheet(viewer)
            sheet.mark(flagged, 1)
            lists.append(sheet.rank(["VMP", "AU", "NU"] * 2, [1, 30, 90, 500, 1100, 1100], EVERY_FLAG))
            sheet.wipe()
        for left, right in zip(*lists, strict=True):
            np.testing.assert_array_equal(left.rows, right.rows)
            np.testing.assert_array_equal(left.scores, right.scores)


@pytest.mark.parametrize(("width", "bonus"), [(40.0, 0.0), (1e-3, 60.0), (5.0, 60.0), (1e6, 60.0)])
def test_flows_are_drawn_as_in_the_plain_way_however_far_freshness_parts_them(width, bonus):
    world = random_world(4, videos=50, creators=500, flows=200)
    world.flow_temporal[::3] = world.flow_temporal[0]
    config = EngineConfig(pattern="FW", fw_random=width, fw_temporal=bonus, explore_rate=0.2)
    policy = trained_policy(4, world)
    fast, plain = Engine(world, policy, config), Engine(world, policy, config, ReferenceKernel)
    for seed in range(6):
        request = FeedRequest(user_id=1, seed=seed, size=40)
        assert_drafted(fast, request)
        for left, right in zip(fast.feed(request).items, plain.feed(request).items, strict=True):
            assert left == right._replace(propensity=left.propensity)
            assert left.propensity == pytest.approx(right.propensity, rel=1e-9)


def assert_drafted(engine: Engine, request: FeedRequest) -> None:
    """The kernel did fill this feed by itself."""
    drafter = engine.kernel.drafter(standing(engine.config, engine.world))
    assert drafter is not None
    drafted = drafter.draft(request)
    assert drafted is not None
    assert drafted.size == request.size


def test_a_pool_that_chooses_among_more_than_the_kernel_holds_is_assembled_the_plain_way(monkeypatch):
    world = random_world(2, videos=9000, creators=9000)
    monkeypatch.setattr(type(BANDIT_POOLS[0]), "limit", lambda self, config: 8000)
    fast = Engine(world, Policy.untrained((1.0,)), EngineConfig(pattern="VMP"))
    plain = Engine(world, Policy.untrained((1.0,)), EngineConfig(pattern="VMP"), ReferenceKernel)
    request = FeedRequest(user_id=1, seed=1, size=3)
    assert [item.id for item in fast.feed(request).items] == [item.id for item in plain.feed(request).items]


def test_thousands_of_flows_and_a_viewer_whom_everybody_knows_are_drafted_too():
    world = random_world(3, videos=900, creators=900, users=400, flows=3000)
    hub = np.arange(1, 400, dtype=np.int32)
    start = world.user_friend_start.copy()
    start[1:] += len(hub) - start[1]
    friends = np.concatenate([hub, world.user_friend[world.user_friend_start[1] :]])
    world = replace(world, user_friend_start=start, user_friend=friends)
    fast = Engine(world, Policy.untrained((1.0,)), EngineConfig())
    plain = Engine(world, Policy.untrained((1.0,)), EngineConfig(), ReferenceKernel)
    request = FeedRequest(user_id=0, seed=4)
    assert_drafted(fast, request)
    drafted, assembled = fast.feed(request), plain.feed(request)
    assert [item.id for item in drafted.items] == [item.id for item in assembled.items]
    np.testing.assert_array_equal(drafted.features, assembled.features)
    assert drafted.features[:, 8].max() == 1


def test_numbers_that_stand_on_both_sides_of_the_call_are_equal():
    here = (explore.QUICK_DRAWS, fw.MOST_PANELS, fw.NODES, len(PAIR_COLUMNS))
    assert here == (lib.TF_QUICK_DRAWS, lib.TF_MOST_PANELS, lib.TF_NODES, lib.TF_PAIRS)
    streams = (lib.TF_CHOICE, lib.TF_EXPLORE_DRAW, lib.TF_FLOW_DRAW)
    assert streams == tuple(randomness.STREAMS[name] for name in ("choice", "explore", "flow"))
