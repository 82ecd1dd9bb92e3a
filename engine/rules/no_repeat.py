"""No item twice in a feed."""

from collections.abc import Sequence

from engine.rules.base import Listed
from engine.world import World


class NoRepeat:
    """Refuses what the feed already holds: nothing at first, then each item once it is placed. Never relaxed."""

    name = "no_repeat"
    relaxes = False
    named: str | None = None

    def listed(self, world: World) -> Sequence[Listed]:
        return ()
