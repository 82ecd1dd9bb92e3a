"""A feed's items as JSON: the snapshot's ready-made members with the request's own around them."""

from functools import lru_cache

from engine.feed_types import Feed, FeedItem
from engine.world import World


class Renderer:
    """Renders the items of one snapshot; made once a snapshot, it reads the fragments without copying them first."""

    def __init__(self, world: World) -> None:
        self._video = world.video_fragment.data, world.video_fragment_start.data
        self._flow = world.flow_fragment.data, world.flow_fragment_start.data

    def items(self, feed: Feed) -> list[bytes]:
        """One JSON object (UTF-8) an item, in order."""
        return [self._item(item) for item in feed.items]

    def _item(self, item: FeedItem) -> bytes:
        blob, start = self._video if item.kind == "video" else self._flow
        row, score = item.row, "null" if item.score is None else f"{item.score:.6f}"
        # Pools and reasons are the engine's own plain words: nothing in them needs escaping.
        tail = f',"score":{score},"propensity":{item.propensity:.9g},"reason":"{item.reason}"}}'
        return b"".join((_head(item.position, item.pool, item.slot), blob[start[row] : start[row + 1]], tail.encode()))


@lru_cache(maxsize=4096)
def _head(position: int, pool: str, slot: str) -> bytes:
    """There are 96 positions and few pools, so nearly every head has been made before."""
    return f'{{"position":{position},"pool":"{pool}","slot":"{slot}",'.encode()
