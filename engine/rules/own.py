"""The viewer's own videos and flows."""

import numpy as np

from engine.rules.base import Asked, Refusal
from engine.world import NO_ROWS


class Own:
    """Refuses what the viewer made. Never relaxed."""

    name = "own"
    relaxes = False

    def refuse(self, asked: Asked) -> Refusal:
        world, row = asked.world, asked.creator
        if row < 0:
            return Refusal()
        videos = world.creator_video[world.creator_video_start[row] : world.creator_video_start[row + 1]]
        (flows,) = (world.flow_creator == row).nonzero()
        return Refusal(video_rows=videos, flow_rows=flows.astype(np.int32) if len(flows) else NO_ROWS)
