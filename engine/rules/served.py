"""What this session was served before."""

from engine.rules.base import Asked, Refusal


class Served:
    """Refuses what earlier feeds of the session held. Never relaxed: a new session starts afresh."""

    name = "served"
    relaxes = False

    def refuse(self, asked: Asked) -> Refusal:
        request, world = asked.request, asked.world
        return Refusal(world.video_rows(request.seen.served_videos), world.flow_rows(request.seen.served_flows))
