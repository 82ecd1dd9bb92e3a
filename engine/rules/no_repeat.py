"""No item twice in a feed."""

from engine.feed_types import FeedRequest
from engine.rules.base import Refusal
from engine.world import World


class NoRepeat:
    """Refuses what the feed already holds: nothing at first, then each item once it is placed. Never relaxed."""

    name = "no_repeat"
    relaxes = False

    def refuse(self, request: FeedRequest, world: World) -> Refusal:
        return Refusal()
