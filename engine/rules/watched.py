"""What the viewer has watched."""

import numpy as np

from engine.feed_types import FeedRequest
from engine.rules.base import Refusal
from engine.world import World


class Watched:
    """Refuses videos the viewer watched, by the snapshot's interactions or since. The ladder may lift it."""

    name = "watched"
    relaxes = True

    def refuse(self, request: FeedRequest, world: World) -> Refusal:
        since = world.video_rows(request.seen.watched_videos)
        user = world.user_row(request.user_id)
        if user < 0:
            return Refusal(since)
        known = world.user_watched[world.user_watched_start[user] : world.user_watched_start[user + 1]]
        return Refusal(np.concatenate([known, since]) if len(since) else known)
