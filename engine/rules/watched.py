"""What the viewer has watched."""

from collections.abc import Sequence

from engine.rules.base import Listed
from engine.world import World


class Watched:
    """Refuses what the viewer watched, by the snapshot's interactions (videos) or since. The ladder may lift it."""

    name = "watched"
    relaxes = True
    named: str | None = "watched"

    def listed(self, world: World) -> Sequence[Listed]:
        return (Listed("video", "user", world.user_watched_start, world.user_watched),)
