"""What this session was served before."""

from collections.abc import Sequence

from engine.rules.base import Listed
from engine.world import World


class Served:
    """Refuses what earlier feeds of the session held. Never relaxed: a new session starts afresh."""

    name = "served"
    relaxes = False
    named: str | None = "served"

    def listed(self, world: World) -> Sequence[Listed]:
        return ()
