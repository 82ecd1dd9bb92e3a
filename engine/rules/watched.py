"""What the viewer has watched."""

import numpy as np

from engine.feed_types import FeedRequest
from engine.rules.base import Refusal
from engine.world import World


class Watched:
    """Refuses what the viewer watched, by the snapshot's interactions (videos) or since. The ladder may lift it."""

    name = "watched"
    relaxes = True

    def refuse(self, request: FeedRequest, world: World) -> Refusal:
        since, flows = world.video_rows(request.seen.watched_videos), world.flow_rows(request.seen.watched_flows)
        user = world.user_row(request.user_id)
        if user < 0:
            return Refusal(since, flows)
        known = world.user_watched[world.user_watched_start[user] : world.user_watched_start[user + 1]]
        return Refusal(np.concatenate([known, since]) if len(since) else known, flows)
