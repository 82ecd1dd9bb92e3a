"""Whole feeds by the C code: `tf_draft` does in one call what `engine.board` and `engine.assemble` define."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.config import POOL_NAMES
from engine.features import DIMENSIONS
from engine.feed_types import SLATE, Drafted, FeedRequest, Ids
from engine.kernel._kernel import ffi, lib
from engine.kernel.base import Source, Standing
from engine.kernel.room import unset
from engine.plan import slot_codes
from engine.world import Array

if TYPE_CHECKING:
    from engine.kernel.compiled import CompiledKernel

PICKS = {
    "softmax": lib.TF_SOFTMAX,
    "top": lib.TF_TOP,
    "uniform": lib.TF_UNIFORM,
    "flows": lib.TF_FLOWS,
    "explore": lib.TF_EXPLORE,
}
EXPLORE = POOL_NAMES.index("EXPLORE")
_BYTES = ffi.typeof("uint8_t[]")
_ITEM_BYTES = SLATE.itemsize + 4 * DIMENSIONS


class CompiledDrafter:
    """See `engine.kernel.base.Drafter`. What a draft works on is kept and used again."""

    def __init__(self, kernel: CompiledKernel, standing: Standing) -> None:
        self._kernel, self._standing = kernel, standing
        self._slots: dict[int, Any] = {}
        self._free: list[_Desk] = []

    def draft(self, request: FeedRequest) -> Drafted | None:
        slots = self._slots.get(request.size)
        if slots is None:
            slots = self._slots[request.size] = self._planned(request.size)
        if not slots:
            return None
        try:
            desk = self._free.pop()
        except IndexError:
            desk = _Desk(self._kernel, self._standing)
        drafted = desk.draft(request, slots)
        self._free.append(desk)
        return drafted

    def _planned(self, size: int) -> Any:
        """The pools of the slots, or nothing where that is not for the kernel to fill."""
        codes = slot_codes(self._standing.pattern, size)
        own_way = any(self._standing.sources[code] is None for code in codes)
        return () if own_way or size > lib.TF_MOST_ITEMS else ffi.new("uint8_t[]", codes)


class _Desk:
    """The room of one draft at a time. Its sheet is borrowed, so that the plain way can use the same one."""

    def __init__(self, kernel: CompiledKernel, standing: Standing) -> None:
        self._kernel = kernel
        self._kept: list[Any] = []
        self._feed = ffi.new("tf_feed *")
        feed, flows = self._feed, kernel.world.flows
        feed.pool_count, feed.explore, feed.window = len(standing.sources), EXPLORE, standing.window
        feed.spare, feed.repeat_flag, feed.explore_rate = standing.spare, standing.repeat_flag, standing.explore_rate
        feed.flow_random, feed.flow_bonus = standing.flow_random, standing.flow_bonus
        feed.flow_flags, feed.flow_rows = self._room("uint8_t", flows), self._room("int32_t", flows)
        feed.flow_head, feed.flow_share = self._room("double", flows), self._room("double", flows + 3)
        self._most_ids = -1
        feed.pools = pools = ffi.new("tf_pool[]", len(standing.sources))
        feed.named_flag, feed.lists = standing.named_flags, len(standing.lists)
        feed.list = lists = ffi.new("tf_listed[]", len(standing.lists))
        self._kept += [pools, lists]
        for c_list, (flag, listed) in zip(lists, standing.lists, strict=True):
            c_list.flow, c_list.flag, c_list.of_creator = listed.kind == "flow", flag, listed.of == "creator"
            c_list.rows = self._borrowed("int32_t", listed.rows)
            c_list.start = ffi.NULL if listed.start is None else self._borrowed("int64_t", listed.start)
        for pool, name, source in zip(pools, POOL_NAMES, standing.sources, strict=True):
            if source is not None:
                self._set_up(pool, kernel.orders[name].c_table if source.formula is not None else ffi.NULL, source)

    def draft(self, request: FeedRequest, slots: Any) -> Drafted | None:
        user_id, seed, size, excluded_videos, excluded_flows, seen = request
        feed = self._feed
        feed.user_id, feed.seed, feed.size, feed.slot, feed.seen = user_id, seed, size, slots, seen.c_seen
        ids, kept = seen.most, None
        if excluded_videos or excluded_flows:
            ids += len(excluded_videos) + len(excluded_flows)
            kept = [self._exclude(kind, some) for kind, some in enumerate((excluded_videos, excluded_flows))]
        if ids > self._most_ids:
            self._most_ids = 2 * ids
            feed.found = self._found = ffi.new("int32_t[]", self._most_ids)
        answer = unset(_BYTES, size * _ITEM_BYTES)
        sheet = self._kernel.blank_sheet()
        filled = lib.tf_draft(self._kernel.c_world, sheet.c_scratch, feed, answer)
        self._kernel.free.append(sheet)
        if kept:
            feed.excluded[0].count = feed.excluded[1].count = 0
        return Drafted(answer, size) if filled == size else None

    def _exclude(self, kind: int, ids: Ids) -> Any:
        """Tell the kernel what the request excludes; what is returned must live until it has read that."""
        excluded, numbers = self._feed.excluded[kind], ffi.new("int64_t[]", ids)
        excluded.id, excluded.count = numbers, len(ids)
        return numbers

    def _set_up(self, pool: Any, c_table: Any, source: Source) -> None:
        pool.pick, pool.limit, pool.list.table = PICKS[source.pick], source.limit, c_table
        if source.formula is None:
            return
        pool.deepest = most = 2 * (source.limit + lib.TF_MOST_ITEMS + self._feed.spare)
        pool.list.room = self._room("char", 2 * lib.TF_ENTRY_BYTES * (2 * most + lib.TF_BLOCK))
        pool.list.rows, pool.list.scores = self._room("int32_t", most), self._room("float", most)
        pool.creator, pool.last = self._room("int32_t", most), self._room("int32_t", most)
        if source.pick == "softmax":
            pool.weights = self._room("double", most)
        pool.fresh, pool.bonus = source.formula.fresh, source.formula.bonus.tolist()

    def _room(self, kind: str, count: int) -> Any:
        self._kept.append(ffi.new(f"{kind}[]", max(1, count)))
        return self._kept[-1]

    def _borrowed(self, kind: str, values: Array) -> Any:
        self._kept.append(ffi.from_buffer(f"{kind}[]", values))
        return self._kept[-1]
