"""What this session was served before."""

from engine.feed_types import FeedRequest
from engine.rules.base import Refusal
from engine.world import World


class Served:
    """Refuses what earlier feeds of the session held. Never relaxed: a new session starts afresh."""

    name = "served"
    relaxes = False

    def refuse(self, request: FeedRequest, world: World) -> Refusal:
        return Refusal(world.video_rows(request.seen.served_videos), world.flow_rows(request.seen.served_flows))
