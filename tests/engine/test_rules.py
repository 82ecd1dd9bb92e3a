"""Whatever is asked, a feed breaks no rule without saying so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bandit.policy import Policy
from engine.config import EngineConfig
from engine.engine import Engine
from engine.feed_types import FeedRequest, Seen
from tests.support.feed_rules import unrecorded_violations
from tests.support.worlds import random_world

REQUESTS = 10_000
PAGES = 5


def broken_rules(engine: Engine, requests: int, seed: int) -> list[str]:
    """Random sessions of several pages: known and unknown viewers, up to 2,000 exclusions, sizes 1 to 96."""
    random = np.random.default_rng(seed)
    world, found = engine.world, []
    for _ in range(requests // PAGES):
        known = len(world.user_id) and random.random() < 0.8
        user = int(random.choice(world.user_id)) if known else 10**12
        excluded = random.choice(world.video_id, int(random.choice([0, 0, 0, 5, 200, 2000]))).tolist()
        seen, size = Seen(), int(random.choice([1, 6, 10, 24, 24, 24, 96]))
        for page in range(PAGES):
            request = FeedRequest(
                user_id=user, seed=int(random.integers(2**62)), size=size, excluded_videos=tuple(excluded), seen=seen
            )
            feed = engine.feed(request)
            found += [f"{user} {page}: {what}" for what in unrecorded_violations(world, request, feed, engine.config)]
            seen = after(seen, feed, random)
    return found


def after(seen: Seen, feed, random) -> Seen:
    """The session moves on: everything was served, some of it watched, a little of it hidden."""
    videos = [item.id for item in feed.items if item.kind == "video"]
    flows = [item.id for item in feed.items if item.kind == "flow"]
    acted = random.random(len(videos))
    return Seen(
        served_videos=(*seen.served_videos, *videos),
        served_flows=(*seen.served_flows, *flows),
        watched_videos=(*seen.watched_videos, *(v for v, a in zip(videos, acted, strict=True) if a < 0.3)),
        hidden_videos=(*seen.hidden_videos, *(v for v, a in zip(videos, acted, strict=True) if a > 0.95)),
        last_creators=(*seen.last_creators, *(item.creator_id for item in feed.items))[-12:],
    )


def test_no_rule_is_broken_unrecorded_over_ten_thousand_requests(embedded_engine):
    assert broken_rules(embedded_engine, REQUESTS, seed=20) == []


@settings(max_examples=80, deadline=None)
@given(
    world_seed=st.integers(0, 50),
    videos=st.integers(0, 120),
    creators=st.integers(1, 40),
    flows=st.integers(0, 8),
    seed=st.integers(0, 10_000),
)
def test_no_rule_is_broken_unrecorded_in_small_worlds_where_rules_must_relax(world_seed, videos, creators, flows, seed):
    world = random_world(world_seed, videos=videos, creators=creators, flows=flows, users=20)
    if videos:
        engine = Engine(world, Policy.untrained((1.0,)), EngineConfig())
        assert broken_rules(engine, 2 * PAGES, seed) == []


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda feed: feed.items[0].id, "excluded, served or hidden"),
        (lambda feed: feed.items[3].id, "excluded, served or hidden"),
    ],
)
def test_the_check_itself_notices_a_broken_rule(embedded_engine, broken, said):
    feed = embedded_engine.feed(FeedRequest(user_id=7, seed=1))
    hidden = FeedRequest(user_id=7, seed=1, seen=Seen(hidden_videos=(broken(feed),)))
    assert said in unrecorded_violations(embedded_engine.world, hidden, feed, embedded_engine.config)[0]


def test_the_check_itself_notices_a_creator_across_the_seam(embedded_engine):
    feed = embedded_engine.feed(FeedRequest(user_id=7, seed=1))
    creators = (feed.items[4].creator_id,)
    request = FeedRequest(user_id=7, seed=1, seen=Seen(last_creators=creators))
    found = unrecorded_violations(embedded_engine.world, request, feed, embedded_engine.config)
    assert found == [f"5: creator {creators[0]} again after 5"]
