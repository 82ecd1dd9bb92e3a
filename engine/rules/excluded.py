"""The ids the caller excludes."""

from engine.feed_types import FeedRequest
from engine.rules.base import Refusal
from engine.world import World


class Excluded:
    """Refuses `excluded_videos` and `excluded_flows` of the request. Never relaxed."""

    name = "excluded"
    relaxes = False

    def refuse(self, request: FeedRequest, world: World) -> Refusal:
        return Refusal(world.video_rows(request.excluded_videos), world.flow_rows(request.excluded_flows))
