"""The ids the caller excludes."""

from engine.rules.base import Asked, Refusal


class Excluded:
    """Refuses `excluded_videos` and `excluded_flows` of the request. Never relaxed."""

    name = "excluded"
    relaxes = False

    def refuse(self, asked: Asked) -> Refusal:
        request, world = asked.request, asked.world
        return Refusal(world.video_rows(request.excluded_videos), world.flow_rows(request.excluded_flows))
