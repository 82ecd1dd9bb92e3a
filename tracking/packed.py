"""What tracking keeps of a served feed, packed once for all who ask: its record, its session, its answer."""

from functools import lru_cache

from engine.feed_types import Feed
from engine.packing import Packed, Packing

RECORDED = (("id", "<i8"), ("propensity", "<f8"), ("is_flow", "u1"), ("slot", "u1"), ("pool", "u1"))
"""What a record has of a slate (`engine.feed_types.SLATE`), column after column, while it waits to be stored."""
KEPT = ("id", "creator_id", "is_flow")
"""What a session has of it."""
_PACKING = Packing(kept=KEPT, recorded=[name for name, _ in RECORDED])


@lru_cache(maxsize=8)
def packed(feed: Feed) -> Packed:
    """The parts of a finished feed. Raises ValueError when a feature is not finite."""
    return _PACKING.pack(feed)
