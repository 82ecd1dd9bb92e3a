"""No item twice in a feed."""

from engine.rules.base import Asked, Refusal


class NoRepeat:
    """Refuses what the feed already holds: nothing at first, then each item once it is placed. Never relaxed."""

    name = "no_repeat"
    relaxes = False

    def refuse(self, asked: Asked) -> Refusal:
        return Refusal()
