"""Whatever is asked, a feed breaks no rule without saying so."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bandit.policy import Policy
from engine.config import EngineConfig
from engine.engine import Engine
from engine.feed_types import Drafted, Feed, FeedRequest, Seen
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
        count = int(random.choice([0, 0, 0, 5, 200, 2000])) if world.videos else 0
        excluded = random.choice(world.video_id, count).tolist() if count else []
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
        watched_flows=(*seen.watched_flows, *flows[:1]),
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
    engine = Engine(world, Policy.untrained((1.0,)), EngineConfig())
    assert broken_rules(engine, 2 * PAGES, seed) == []


def changed(feed: Feed, at: int, **fields) -> Feed:
    """The feed with one item changed by hand."""
    items = list(feed.items)
    items[at - 1] = items[at - 1]._replace(**fields)
    tampered = feed._replace()
    vars(tampered)["items"] = tuple(items)
    return tampered


def test_the_check_itself_notices_every_broken_rule(embedded_engine):
    """Each sentence of the check is provoked once, by a request or a feed that was tampered with."""
    world, config = embedded_engine.world, replace(embedded_engine.config, explore_rate=0.0)
    engine = Engine(world, embedded_engine.policy, config)
    request = FeedRequest(user_id=7, seed=1)
    feed = engine.feed(request)
    one, four = feed.items[0], feed.items[3]
    provoked = {
        "excluded, served or hidden": (request._replace(excluded_videos=(one.id,)), feed),
        "flow": (request._replace(excluded_flows=(feed.items[5].id,)), feed),
        "served": (request._replace(seen=Seen(served_videos=(four.id,))), feed),
        "own": (request, changed(feed, 1, creator_id=7)),
        "twice": (request, changed(feed, 4, id=one.id, row=one.row)),
        "watched": (request._replace(seen=Seen(watched_videos=(one.id,))), feed),
        "was watched": (request._replace(seen=Seen(watched_flows=(feed.items[5].id,))), feed),
        "does not belong there": (request, changed(feed, 1, pool="NU")),
        "belong": (request, changed(feed, 2, reason="")),
        "in a slot of VMP": (request, changed(feed, 1, pool="AU")),
        "the pattern says AU": (request, changed(feed, 2, slot="NU")),
        "short is False": (request, feed._replace(drafted=Drafted.of(feed.slate[:20], feed.features[:20]))),
        "positions are not": (request, changed(feed, 3, position=9)),
        "again after 3": (request, changed(feed, 4, creator_id=one.creator_id)),
    }
    assert unrecorded_violations(world, request, feed, config) == []
    for sentence, (asked, answered) in provoked.items():
        assert any(sentence in found for found in unrecorded_violations(world, asked, answered, config)), sentence


def test_the_check_itself_notices_a_creator_across_the_seam(embedded_engine):
    feed = embedded_engine.feed(FeedRequest(user_id=7, seed=1))
    creators = (feed.items[4].creator_id,)
    request = FeedRequest(user_id=7, seed=1, seen=Seen(last_creators=creators))
    found = unrecorded_violations(embedded_engine.world, request, feed, embedded_engine.config)
    assert found == [f"5: creator {creators[0]} again after 5"]
