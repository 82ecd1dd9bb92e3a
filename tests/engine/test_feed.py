import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bandit.policy import Policy
from engine.config import EngineConfig
from engine.engine import Engine
from engine.features import FEATURES
from engine.feed_types import SLATE, Drafted, Feed, FeedRequest, Seen
from engine.kernel.compiled import CompiledKernel
from engine.quality import report, sample_viewers
from engine.reasons import WORDS, code, sentence
from engine.render import Renderer, plain
from tests.support.feed_rules import PATTERN, unrecorded_violations
from tests.support.worlds import random_world

UNKNOWN = 10**12


def engine_on(config: EngineConfig | None = None, **world) -> Engine:
    return Engine(random_world(**world), Policy.untrained((1.0,)), config or EngineConfig())


def test_the_default_feed_follows_the_pattern_four_times(embedded_engine):
    engine = Engine(embedded_engine.world, embedded_engine.policy, replace(embedded_engine.config, explore_rate=0.0))
    feed = engine.feed(FeedRequest(user_id=7, seed=1))
    assert [item.pool for item in feed.items] == list(PATTERN) * 4
    assert not feed.relaxed
    assert not feed.short


def test_one_slot_in_twenty_turns_into_explore(embedded_engine):
    feeds = [embedded_engine.feed(FeedRequest(user_id=7, seed=seed)) for seed in range(200)]
    turned = np.mean([item.pool == "EXPLORE" for feed in feeds for item in feed.items])
    assert 0.035 < turned < 0.065


def test_the_same_seed_gives_the_same_feed_and_another_seed_another(embedded_engine):
    request = FeedRequest(user_id=7, seed=5)
    first, again = embedded_engine.feed(request), embedded_engine.feed(request)
    assert embedded_engine.render(first) == embedded_engine.render(again)
    assert first.items != embedded_engine.feed(request._replace(seed=6)).items


def test_an_unknown_viewer_gets_a_full_feed_with_no_personal_features(embedded_engine):
    feed = embedded_engine.feed(FeedRequest(user_id=UNKNOWN, seed=1))
    assert len(feed.items) == 24
    assert not feed.features[:, 5:9].any()


def test_viewers_of_different_skills_get_different_affine_items(embedded_engine):
    """Of three viewers from different clusters, no two share an AU item, and each one's AU items match them best."""
    world = embedded_engine.world
    viewers = far_apart_viewers(world)
    feeds = [embedded_engine.feed(FeedRequest(user_id=int(world.user_id[v]), seed=3)) for v in viewers]
    chosen = [[item.row for item in feed.items if item.pool == "AU"] for feed in feeds]
    for one in range(3):
        closeness = [world.user_embedding[v] @ world.video_embeddings()[chosen[one]].T for v in viewers]
        means = [float(values.mean()) for values in closeness]
        assert means[one] > 0.7
        assert all(means[one] > means[other] + 0.4 for other in range(3) if other != one)
        assert not set(chosen[one]) & set(chosen[(one + 1) % 3])


def far_apart_viewers(world) -> list[int]:
    """Three users with strong profiles whose embeddings are as different as any."""
    users = np.flatnonzero((world.user_embedding.any(axis=1)) & (np.diff(world.user_term_start) >= 6))
    chosen = [int(users[0])]
    while len(chosen) < 3:
        nearest = np.max(world.user_embedding[users] @ world.user_embedding[chosen].T, axis=1)
        chosen.append(int(users[int(nearest.argmin())]))
    return chosen


@pytest.mark.parametrize("videos", [0, 1, 5])
@pytest.mark.parametrize("flows", [0, 1, 12])
def test_a_tiny_catalogue_gives_a_short_or_relaxed_feed_and_never_an_error(videos, flows):
    engine = engine_on(videos=videos, creators=max(1, videos), flows=flows)
    request = FeedRequest(user_id=UNKNOWN, seed=1)
    feed = engine.feed(request)
    assert not unrecorded_violations(engine.world, request, feed, engine.config)
    assert feed.short
    assert {item.id for item in feed.items if item.kind == "video"} == set(engine.world.video_id.tolist())


def test_one_creator_alone_fills_the_feed_with_the_window_recorded_as_relaxed():
    engine = engine_on(videos=60, creators=1, flows=0)
    request = FeedRequest(user_id=UNKNOWN, seed=1)
    feed = engine.feed(request)
    assert len(feed.items) == 24
    relaxed = {(relaxation.position, relaxation.rule) for relaxation in feed.relaxed}
    assert all((position, "creator_window:1") in relaxed for position in range(2, 25))
    assert not unrecorded_violations(engine.world, request, feed, engine.config)


def test_without_flows_their_slots_borrow_from_the_valued():
    engine = engine_on(EngineConfig(explore_rate=0.0), flows=0)
    feed = engine.feed(FeedRequest(user_id=UNKNOWN, seed=1))
    assert [item.pool for item in feed.items[5::6]] == ["VMP"] * 4
    assert [(r.position, r.rule) for r in feed.relaxed] == [(p, "pool:VMP") for p in (6, 12, 18, 24)]


def test_without_new_videos_their_slots_explore():
    engine = engine_on(EngineConfig(explore_rate=0.0))
    engine.world.video_fresh[:] = 0
    engine = Engine(engine.world, engine.policy, engine.config)
    feed = engine.feed(FeedRequest(user_id=UNKNOWN, seed=1))
    assert [item.pool for item in feed.items[4::6]] == ["EXPLORE"] * 4
    assert [(r.position, r.rule) for r in feed.relaxed] == [(p, "pool:EXPLORE") for p in (5, 11, 17, 23)]


def test_watched_videos_return_only_when_nothing_else_is_left():
    engine = engine_on(videos=40, creators=4000, flows=0)
    watched = tuple(engine.world.video_id[:25].tolist())
    feed = engine.feed(FeedRequest(user_id=UNKNOWN, seed=1, size=20, seen=Seen(watched_videos=watched)))
    assert not {item.id for item in feed.items[:15]} & set(watched)
    assert {item.id for item in feed.items[15:]} <= set(watched)
    assert [r.position for r in feed.relaxed if r.rule == "watched"] == [16, 17, 18, 19, 20]


def test_what_the_session_was_served_never_returns():
    engine = engine_on(videos=30, creators=30, flows=0)
    served = tuple(engine.world.video_id[:20].tolist())
    feed = engine.feed(FeedRequest(user_id=UNKNOWN, seed=1, seen=Seen(served_videos=served)))
    assert {item.id for item in feed.items} == set(engine.world.video_id[20:].tolist())
    assert feed.short


def test_every_item_renders_as_json_with_its_reason(embedded_engine):
    feed = embedded_engine.feed(FeedRequest(user_id=7, seed=1))
    items = json.loads(embedded_engine.render(feed))
    assert [item["position"] for item in items] == list(range(1, 25))
    for item, body in zip(feed.items, items, strict=True):
        assert (body["pool"], body["type"], body["id"]) == (item.pool, item.kind, item.id)
        assert body["reason"]
        assert body["propensity"] == pytest.approx(item.propensity, rel=1e-6)
        assert {"creator_id", "creator_name", "video_url", "description", "skills", "city", "country"} <= set(body)


@settings(max_examples=300, deadline=None)
@given(
    score=st.one_of(
        st.floats(width=32, allow_infinity=False), st.floats(-1e7, 1e7), st.sampled_from([0.0, -0.0, 99.9999995])
    ),
    propensity=st.floats(0, 1),
    feature=st.floats(0, 5, width=32),
    reason=st.integers(0, len(WORDS) - 1),
    flow=st.booleans(),
)
def test_the_compiled_renderer_writes_what_the_plain_one_does(score, propensity, feature, reason, flow):
    world = random_world(3, videos=7, flows=7)
    slate = np.array([(1, 2, score, propensity, row, flow, 3, 4, reason) for row in (0, 6)], dtype=SLATE)
    features = np.full((2, len(FEATURES)), feature, dtype=np.float32)
    feed = Feed(Drafted.of(slate, features), (), short=False, seed=1, snapshot_id="s", policy_version="p")
    written = Renderer(world).items(feed)
    assert written == plain(world, feed)
    assert [item["position"] for item in json.loads(written)] == [1, 2]


def test_a_failed_feed_leaves_nothing_behind(embedded_engine, monkeypatch):
    """The plain way too gives its sheet back, whatever happens."""
    engine = Engine(embedded_engine.world, embedded_engine.policy, embedded_engine.config)
    request = FeedRequest(user_id=7, seed=1)
    with monkeypatch.context() as patch:
        patch.setattr(CompiledKernel, "drafter", lambda kernel, standing: None)
        plain_way = Engine(engine.world, engine.policy, engine.config)
    before = plain_way.feed(request)
    assert before.slate["id"].tolist() == engine.feed(request).slate["id"].tolist()
    with monkeypatch.context() as patch:
        patch.setattr("engine.feed.features_of", lambda board, placed: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            plain_way.feed(request)
    assert plain_way.feed(request).items == before.items


def test_the_embedded_catalogue_meets_all_four_quality_figures(embedded_engine):
    quality = report(embedded_engine, sample_viewers(embedded_engine.world, 1000, seed=1), seed=1)
    assert quality.feeds == 1000
    assert not [figure for figure in quality.figures if not figure.holds]


def test_an_empty_catalogue_still_reports_its_quality():
    engine = engine_on(videos=0, flows=0, users=0)
    assert sample_viewers(engine.world, 10, seed=1) == []
    assert not report(engine, [UNKNOWN], seed=1).holds


def test_a_turned_slot_whose_pool_is_empty_reports_no_borrowing_but_a_change_of_kind():
    engine = engine_on(EngineConfig(explore_rate=1.0), flows=0)
    engine.world.video_fresh[:] = 0
    engine = Engine(engine.world, engine.policy, engine.config)
    feed = engine.feed(FeedRequest(user_id=UNKNOWN, seed=1))
    assert {item.pool for item in feed.items} == {"EXPLORE"}
    assert [(r.position, r.rule) for r in feed.relaxed] == [(p, "pool:EXPLORE") for p in (6, 12, 18, 24)]


def test_a_catalogue_that_is_nearly_all_watched_still_explores_uniformly():
    engine = engine_on(EngineConfig(pattern="EXPLORE"), videos=3000, creators=3000)
    left = engine.world.video_id[[5, 70, 800, 2900]]
    watched = tuple(np.setdiff1d(engine.world.video_id, left).tolist())
    request = FeedRequest(user_id=UNKNOWN, seed=0, size=1, seen=Seen(watched_videos=watched))
    first = [engine.feed(request._replace(seed=seed)).items[0] for seed in range(400)]
    counts = {int(video): sum(item.id == video for item in first) for video in left}
    assert all(60 < count < 140 for count in counts.values())
    assert {item.propensity for item in first} == {0.25}


def test_every_feature_can_be_a_reason():
    for index, feature in enumerate(FEATURES):
        features = np.ones(len(FEATURES), dtype=np.float32)
        assert feature.name in sentence(code(features, np.eye(len(FEATURES))[index], fresh=0.0), features)
