"""A feed on its way to a viewer: whose it is, and what tracking keeps of it, packed once for all who ask."""

from datetime import datetime

import orjson

from engine.feed_types import Feed
from engine.packing import Packing
from tracking.times import to_iso

RECORDED = (("id", "<i8"), ("propensity", "<f8"), ("is_flow", "u1"), ("slot", "u1"), ("pool", "u1"))
"""What a record has of a slate (`engine.feed_types.SLATE`), column after column, while it waits to be stored."""
KEPT = ("id", "creator_id", "is_flow")
"""What a session has of it."""
_PACKING = Packing(kept=KEPT, recorded=[name for name, _ in RECORDED])


class Served:
    """A feed that is served. `served_at` is an aware time. Raises ValueError when a feature is not finite.

    `head` is a JSON object of its names and numbers without the closing bracket, which record and answer begin with;
    `packed` has the record (`Decision.to_json`) and what its session keeps.
    """

    __slots__ = ("feed", "feed_id", "head", "packed", "served_at", "session_id", "user_id")

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
        self.packed = _PACKING.pack(feed, self.head)
