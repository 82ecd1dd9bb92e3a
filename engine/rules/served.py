"""What this session was served before."""

from engine.rules.base import Asked, Refusal


class Served:
    """Refuses what earlier feeds of the session held. Never relaxed: a new session starts afresh."""

    name = "served"
    relaxes = False

    def refuse(self, asked: Asked) -> Refusal:
        seen = asked.request.seen
        return Refusal(seen.served_videos, seen.served_flows)
