"""What the viewer hid."""

from collections.abc import Sequence

from engine.rules.base import Listed
from engine.world import World


class Hidden:
    """Refuses what the viewer hid, in whatever session. Never relaxed."""

    name = "hidden"
    relaxes = False
    named: str | None = "hidden"

    def listed(self, world: World) -> Sequence[Listed]:
        return ()
