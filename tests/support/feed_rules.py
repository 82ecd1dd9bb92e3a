"""Looks at a finished feed with fresh eyes: which rules does it break, and which of those did it own up to?"""

from engine.config import EngineConfig
from engine.features import INDEX, VIDEO_COLUMNS
from engine.feed_types import Feed, FeedItem, FeedRequest
from engine.world import World

GATE = VIDEO_COLUMNS.index(INDEX["passes_quality_gate"])
PATTERN = ("VMP", "AU", "AU", "VMP", "NU", "FW")


def unrecorded_violations(world: World, request: FeedRequest, feed: Feed, config: EngineConfig) -> list[str]:
    """Sentences about every rule that the feed breaks without having recorded it; empty for an honest feed."""
    recorded = {(relaxation.position, relaxation.rule) for relaxation in feed.relaxed}
    found = [*_never(world, request, feed), *_shape(request, feed, recorded)]
    watched = _watched(world, request)
    creators = [*request.seen.last_creators, *(item.creator_id for item in feed.items)]
    before = len(request.seen.last_creators)
    for item in feed.items:
        seen = watched if item.kind == "video" else request.seen.watched_flows
        if item.id in seen and (item.position, "watched") not in recorded:
            found.append(f"{item.position}: {item.id} was watched")
        at = before + item.position - 1
        for distance in range(1, min(config.creator_window, at + 1)):
            if creators[at - distance] == item.creator_id:
                widths = [w for w in (6, 3, 1) if w <= distance and (item.position, f"creator_window:{w}") in recorded]
                if not widths:
                    found.append(f"{item.position}: creator {item.creator_id} again after {distance}")
    return found


def _never(world: World, request: FeedRequest, feed: Feed) -> list[str]:
    """What no relaxation allows."""
    seen, found, once = request.seen, [], set()
    videos = {*request.excluded_videos, *seen.served_videos, *seen.hidden_videos}
    flows = {*request.excluded_flows, *seen.served_flows, *seen.hidden_flows}
    for item in feed.items:
        if item.id in (videos if item.kind == "video" else flows):
            found.append(f"{item.position}: {item.kind} {item.id} is excluded, served or hidden")
        if item.creator_id == request.user_id:
            found.append(f"{item.position}: {item.kind} {item.id} is the viewer's own")
        if (item.kind, item.id) in once:
            found.append(f"{item.position}: {item.kind} {item.id} twice")
        once.add((item.kind, item.id))
        found.extend(_fits_its_pool(world, item))
    return found


def _fits_its_pool(world: World, item: FeedItem) -> list[str]:
    if item.kind == "flow":
        good = item.pool in ("FW", "EXPLORE") and world.flow_id[item.row] == item.id
    else:
        admits = {"NU": world.video_fresh[item.row] == 1, "VMP": world.video_features[GATE, item.row] == 1, "FW": False}
        good = admits.get(item.pool, True) and world.video_id[item.row] == item.id
    sound = 0 < item.propensity <= 1 and bool(item.reason) and (item.score is None) == (item.pool == "EXPLORE")
    return [] if good and sound else [f"{item.position}: {item} does not belong there"]


def _shape(request: FeedRequest, feed: Feed, recorded: set[tuple[int, str]]) -> list[str]:
    found = []
    for item in feed.items:
        slot = PATTERN[(item.position - 1) % 6]
        borrowed = {rule for at, rule in recorded if at == item.position and rule.startswith("pool:")}
        if item.slot != slot:
            found.append(f"{item.position}: planned for {item.slot}, the pattern says {slot}")
        if item.pool not in (slot, "EXPLORE") and f"pool:{item.pool}" not in borrowed:
            found.append(f"{item.position}: {item.pool} in a slot of {slot}")
        if slot == "FW" and item.kind == "video" and not borrowed:
            found.append(f"{item.position}: a video in a slot of flows")
    short = len(feed.items) < request.size
    if [item.position for item in feed.items] != list(range(1, len(feed.items) + 1)):
        found.append("positions are not 1, 2, ...")
    if feed.short != short or short != ((len(feed.items) + 1, "short") in recorded):
        found.append(f"{len(feed.items)} of {request.size} items, short is {feed.short}")
    return found


def _watched(world: World, request: FeedRequest) -> set[int]:
    watched = set(request.seen.watched_videos)
    user = world.user_row(request.user_id)
    if user >= 0:
        rows = world.user_watched[world.user_watched_start[user] : world.user_watched_start[user + 1]]
        watched |= set(world.video_id[rows].tolist())
    return watched
