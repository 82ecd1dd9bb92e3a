"""The viewer's own videos and flows."""

from collections.abc import Sequence

from engine.rules.base import Listed
from engine.world import World


class Own:
    """Refuses what the viewer made. Never relaxed."""

    name = "own"
    relaxes = False
    named: str | None = None

    def listed(self, world: World) -> Sequence[Listed]:
        return (
            Listed("video", "creator", world.creator_video_start, world.creator_video),
            Listed("flow", "creator", None, world.flow_creator),
        )
