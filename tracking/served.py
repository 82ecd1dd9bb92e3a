"""A feed on its way to a viewer: whose it is, and the JSON that its record and its answer begin with."""

from datetime import datetime

import orjson

from engine.feed_types import Feed
from tracking.times import to_iso


class Served:
    """A feed that is served: `head` is a JSON object of its names and numbers, without the closing bracket.

    `served_at` is an aware time.
    """

    __slots__ = ("feed", "feed_id", "head", "served_at", "session_id", "user_id")

    def __init__(self, feed: Feed, *, feed_id: str, user_id: int, session_id: str, served_at: datetime) -> None:
        self.feed, self.feed_id, self.user_id, self.session_id = feed, feed_id, user_id, session_id
        self.served_at = to_iso(served_at)
        self.head = orjson.dumps(
            {
                "feed_id": feed_id,
                "user_id": user_id,
                "session_id": session_id,
                "snapshot_id": feed.snapshot_id,
                "policy_version": feed.policy_version,
                "seed": feed.seed,
                "served_at": self.served_at,
            }
        )[:-1]
