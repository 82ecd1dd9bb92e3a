"""What the viewer hid."""

from engine.rules.base import Asked, Refusal


class Hidden:
    """Refuses what the viewer hid, in whatever session. Never relaxed."""

    name = "hidden"
    relaxes = False

    def refuse(self, asked: Asked) -> Refusal:
        seen = asked.request.seen
        return Refusal(seen.hidden_videos, seen.hidden_flows)
