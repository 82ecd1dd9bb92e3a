"""The ids the caller excludes."""

from engine.rules.base import Asked, Refusal


class Excluded:
    """Refuses `excluded_videos` and `excluded_flows` of the request. Never relaxed."""

    name = "excluded"
    relaxes = False

    def refuse(self, asked: Asked) -> Refusal:
        return Refusal(asked.request.excluded_videos, asked.request.excluded_flows)
