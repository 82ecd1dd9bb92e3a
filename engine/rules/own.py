"""The viewer's own videos and flows."""

import numpy as np

from engine.rules.base import Asked, Refusal


class Own:
    """Refuses what the viewer made. Never relaxed."""

    name = "own"
    relaxes = False

    def refuse(self, asked: Asked) -> Refusal:
        world, row = asked.world, asked.creator
        if row < 0:
            return Refusal()
        videos = world.creator_video[world.creator_video_start[row] : world.creator_video_start[row + 1]]
        return Refusal(videos, np.flatnonzero(world.flow_creator == row).astype(np.int32))
