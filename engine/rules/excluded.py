"""The ids the caller excludes."""

from collections.abc import Sequence

from engine.rules.base import Listed
from engine.world import World


class Excluded:
    """Refuses `excluded_videos` and `excluded_flows` of the request. Never relaxed."""

    name = "excluded"
    relaxes = False
    named: str | None = "excluded"

    def listed(self, world: World) -> Sequence[Listed]:
        return ()
