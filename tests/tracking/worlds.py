"""Small events, feeds and decisions for the tests of tracking."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np

from engine.config import POOL_NAMES
from engine.features import DIMENSIONS
from engine.feed_types import SLATE, Drafted, Feed
from tracking.decisions import Decision
from tracking.events import Event
from tracking.served import Served

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def uuid(number: int) -> str:
    """A UUID that is easy to tell."""
    return str(UUID(int=number))


def event(number: int, event_type: str = "video_view", **fields: Any) -> Event:
    """The event of this number, by viewer 7 on video 1 unless said."""
    values: dict[str, Any] = {"user_id": 7, "timestamp": NOON + timedelta(seconds=number)}
    if "flow_id" not in fields:
        values["video_id"] = 1
    return Event(event_id=uuid(number), event_type=event_type, **values | fields)


def feed(*items: str, seed: int = 1) -> Feed:
    """A feed written as `AU:12`, `EXPLORE/NU:5` (an EXPLORE turn of a NU slot) or `FW:flow3`; features are seeded."""
    slate = np.zeros(len(items), dtype=SLATE)
    for entry, text in zip(slate, items, strict=True):
        pools, _, name = text.partition(":")
        pool, _, slot = pools.partition("/")
        number = int(name.removeprefix("flow"))
        entry["id"], entry["creator_id"], entry["is_flow"] = number, 100 + number, name.startswith("flow")
        entry["pool"], entry["slot"] = POOL_NAMES.index(pool), POOL_NAMES.index(slot or pool)
        entry["score"], entry["propensity"] = np.nan, 0.5
    features = np.random.default_rng(seed).random((len(items), DIMENSIONS)).astype(np.float32)
    features[slate["is_flow"] == 1] = 0.0
    return Feed(Drafted.of(slate, features), (), short=False, seed=seed, snapshot_id="s1", policy_version="p1")


def served(feed_id: str, *items: str, user_id: int = 7, session_id: str = "7:1") -> Served:
    """`feed(*items)` on its way to a viewer."""
    return Served(feed(*items), feed_id=feed_id, user_id=user_id, session_id=session_id, served_at=NOON)


def decision(feed_id: str, *items: str, user_id: int = 7, seed: int = 1) -> Decision:
    """The record of `feed(*items)`."""
    return Decision.of_feed(feed(*items, seed=seed), feed_id=feed_id, user_id=user_id, session_id="7:1", served_at=NOON)
