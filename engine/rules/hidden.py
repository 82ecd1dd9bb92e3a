"""What the viewer hid."""

from engine.rules.base import Asked, Refusal


class Hidden:
    """Refuses what the viewer hid, in whatever session. Never relaxed."""

    name = "hidden"
    relaxes = False

    def refuse(self, asked: Asked) -> Refusal:
        request, world = asked.request, asked.world
        return Refusal(world.video_rows(request.seen.hidden_videos), world.flow_rows(request.seen.hidden_flows))
