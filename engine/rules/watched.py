"""What the viewer has watched."""

from engine.rules.base import Asked, Refusal


class Watched:
    """Refuses what the viewer watched, by the snapshot's interactions (videos) or since. The ladder may lift it."""

    name = "watched"
    relaxes = True

    def refuse(self, asked: Asked) -> Refusal:
        world, user, seen = asked.world, asked.user, asked.request.seen
        if user < 0:
            return Refusal(seen.watched_videos, seen.watched_flows)
        known = world.user_watched[world.user_watched_start[user] : world.user_watched_start[user + 1]]
        return Refusal(seen.watched_videos, seen.watched_flows, known)
