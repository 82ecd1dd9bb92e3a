"""What others keep of a feed, packed in one call of the kernel: columns, their base64, names."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.features import DIMENSIONS
from engine.feed_types import SLATE, Feed
from engine.kernel._kernel import ffi, lib
from engine.kernel.room import unset

_BYTES = ffi.typeof("uint8_t[]")


class Packed(NamedTuple):
    """A feed's packed parts. A column is a member of all positions one after another, as its bytes lie in memory."""

    kept: bytes  # some columns
    pools: bytes  # which pool filled each position, a byte each: its place in `engine.config.POOL_NAMES`
    record: bytes  # a JSON object: a head, and some columns (`slate`) and the float32 features (`features`) as base64
    names: bytes  # a JSON array of `"video:12"`, `"flow:3"`


class Packing:
    """Packs feeds; `kept` and `recorded` name members of a slate (`engine.feed_types.SLATE`), each once at most."""

    def __init__(self, *, kept: Sequence[str], recorded: Sequence[str]) -> None:
        self._kept, self._kept_places, kept_and_pool = _columns([*kept, "pool"])
        self._kept_size = kept_and_pool - 1
        self._recorded, self._recorded_places, self._recorded_size = _columns(recorded)

    def pack(self, feed: Feed, head: bytes) -> Packed:
        """The parts; `head` is a JSON object that is not closed yet. Raises ValueError when a feature is not finite."""
        block, count = feed.drafted
        if count > lib.TF_MOST_ITEMS:
            raise ValueError(f"slate: {count} positions, at most {lib.TF_MOST_ITEMS} are packed")
        kept = self._kept_size * count
        pools = kept + count
        base64 = _base64(self._recorded_size * count) + _base64(4 * DIMENSIONS * count)
        record = pools + len(head) + _AROUND + base64
        room = unset(_BYTES, record + lib.TF_NAME_ROOM * count + 2)
        end = lib.tf_pack(block, count, self._kept, self._recorded, head, len(head), room)
        if end < 0:
            raise ValueError("features: not finite")
        parts = ffi.buffer(room, end)
        return Packed(parts[:kept], parts[kept:pools], parts[pools:record], parts[record:])


_AROUND = len(',"slate":"","features":""}')


def _base64(size: int) -> int:
    """The length of so many bytes as base64."""
    return (size + 2) // 3 * 4


def _columns(names: Sequence[str]) -> tuple[Any, Any, int]:
    """The columns as the kernel reads them, what they borrow, and how many bytes a position has in them."""
    fields: Any = SLATE.fields
    places = ffi.new("tf_column[]", [(fields[name][1], fields[name][0].itemsize) for name in names])
    return ffi.new("tf_columns *", (len(names), places)), places, sum(fields[name][0].itemsize for name in names)
