"""The viewer's own videos and flows."""

import numpy as np

from engine.feed_types import FeedRequest
from engine.rules.base import Refusal
from engine.world import World


class Own:
    """Refuses what the viewer made. Never relaxed."""

    name = "own"
    relaxes = False

    def refuse(self, request: FeedRequest, world: World) -> Refusal:
        row = world.creator_row(request.user_id)
        if row < 0:
            return Refusal()
        videos = world.creator_video[world.creator_video_start[row] : world.creator_video_start[row + 1]]
        return Refusal(videos, np.flatnonzero(world.flow_creator == row).astype(np.int32))
