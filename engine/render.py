"""A feed's items as JSON: the snapshot's ready-made members with the request's own around them."""

from engine.feed_types import Feed, FeedItem
from engine.world import World


def render(world: World, feed: Feed) -> list[bytes]:
    """One JSON object (UTF-8) an item, in order."""
    return [_item(world, item) for item in feed.items]


def _item(world: World, item: FeedItem) -> bytes:
    if item.kind == "video":
        blob, start = world.video_fragment, world.video_fragment_start
    else:
        blob, start = world.flow_fragment, world.flow_fragment_start
    fragment = blob[start[item.row] : start[item.row + 1]].tobytes()
    score = "null" if item.score is None else f"{item.score:.6f}"
    # Pools and reasons are the engine's own plain words: nothing in them needs escaping.
    head = f'{{"position":{item.position},"pool":"{item.pool}","slot":"{item.slot}",'
    tail = f',"score":{score},"propensity":{item.propensity:.9g},"reason":"{item.reason}"}}'
    return head.encode() + fragment + tail.encode()
