"""A feed's items as JSON: the snapshot's ready-made members with the request's own around them.

`Renderer` has the kernel join them in one call; `plain` says the same in Python, position by position.
"""

from math import isnan

from engine.config import POOL_NAMES
from engine.feed_types import Feed
from engine.kernel._kernel import ffi, lib
from engine.kernel.room import unset
from engine.reasons import WORDS, sentence
from engine.world import World

_TEXT = ffi.typeof("char[]")


class Renderer:
    """Renders the items of one snapshot; made once a snapshot, it reads the fragments where they lie."""

    def __init__(self, world: World) -> None:
        # Pools and reasons are the engine's own plain words: nothing in them needs escaping.
        self._words = [ffi.new("char[]", name.encode()) for name in (*POOL_NAMES, *WORDS)]
        pieces = [{"text": words, "length": len(words) - 1} for words in self._words]
        self._pools = ffi.new("tf_piece[]", pieces[: len(POOL_NAMES)])
        self._reasons = ffi.new("tf_piece[]", pieces[len(POOL_NAMES) :])
        self._texts = ffi.new("tf_texts *")
        self._texts.pool, self._texts.reason = self._pools, self._reasons
        parts = (world.video_fragment, world.video_fragment_start), (world.flow_fragment, world.flow_fragment_start)
        for kind, (fragment, start) in enumerate(parts):
            self._texts.fragment[kind] = ffi.from_buffer("uint8_t[]", fragment)
            self._texts.fragment_start[kind] = ffi.from_buffer("int64_t[]", start)

    def items(self, feed: Feed) -> bytes:
        """The items as a JSON array (UTF-8), in order."""
        block, count = feed.drafted
        room = unset(_TEXT, lib.tf_render_room(self._texts, block, count))
        rendered: bytes = ffi.buffer(room, lib.tf_render(self._texts, block, count, room))[:]
        return rendered


def plain(world: World, feed: Feed) -> bytes:
    """What `Renderer.items` writes, in plain Python."""
    return b"[" + b",".join(_item(world, feed, index) for index in range(len(feed.slate))) + b"]"


def _item(world: World, feed: Feed, index: int) -> bytes:
    item = feed.slate[index]
    video = world.video_fragment, world.video_fragment_start
    blob, start = (world.flow_fragment, world.flow_fragment_start) if item["is_flow"] else video
    members = bytes(blob[start[item["row"]] : start[item["row"] + 1]])
    head = f'{{"position":{index + 1},"pool":"{POOL_NAMES[item["pool"]]}","slot":"{POOL_NAMES[item["slot"]]}",'
    score = "null" if isnan(item["score"]) else f"{item['score']:.6f}"
    reason = sentence(int(item["reason"]), feed.features[index])
    return (
        head.encode()
        + members
        + f',"score":{score},"propensity":{item["propensity"]:.9g},"reason":"{reason}"}}'.encode()
    )
