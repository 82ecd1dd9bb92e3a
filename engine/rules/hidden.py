"""What the viewer hid."""

from engine.feed_types import FeedRequest
from engine.rules.base import Refusal
from engine.world import World


class Hidden:
    """Refuses what the viewer hid, in whatever session. Never relaxed."""

    name = "hidden"
    relaxes = False

    def refuse(self, request: FeedRequest, world: World) -> Refusal:
        return Refusal(world.video_rows(request.seen.hidden_videos), world.flow_rows(request.seen.hidden_flows))
