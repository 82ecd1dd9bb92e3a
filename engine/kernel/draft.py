"""Whole feeds by the C code: `tf_draft` does in one call what `engine.board` and `engine.assemble` define."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.config import POOL_NAMES
from engine.features import DIMENSIONS
from engine.feed_types import SLATE
from engine.kernel._kernel import ffi, lib
from engine.kernel.base import Draft, Drafted, Source, Standing

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


class CompiledDrafter:
    """See `engine.kernel.base.Drafter`. What a draft works on is kept and used again."""

    def __init__(self, kernel: CompiledKernel, standing: Standing) -> None:
        self._kernel, self._standing = kernel, standing
        self._own_way = {place for place, source in enumerate(standing.sources) if source is None}
        self._free: list[_Desk] = []

    def draft(self, draft: Draft) -> Drafted | None:
        if len(draft.slots) > lib.TF_MOST_ITEMS or not self._own_way.isdisjoint(draft.slots):
            return None
        try:
            desk = self._free.pop()
        except IndexError:
            desk = _Desk(self._kernel, self._standing)
        drafted = desk.draft(draft)
        self._free.append(desk)
        return drafted


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
        feed.flow_head, feed.flow_share = self._room("double", flows), self._room("double", flows)
        self._refusals, self._most_refusals, self._most_ids = ffi.NULL, 0, 0
        feed.pools = pools = ffi.new("tf_pool[]", len(standing.sources))
        self._kept.append(pools)
        for pool, name, source in zip(pools, POOL_NAMES, standing.sources, strict=True):
            if source is not None:
                self._set_up(pool, kernel.orders[name].c_table if source.formula is not None else ffi.NULL, source)

    def draft(self, draft: Draft) -> Drafted | None:
        feed, size = self._feed, len(draft.slots)
        slate, features = np.zeros(size, dtype=SLATE), np.zeros((size, DIMENSIONS), dtype=np.float32)
        slots, item = ffi.from_buffer("uint8_t[]", draft.slots), ffi.from_buffer("tf_item[]", slate)
        numbers = ffi.from_buffer("float[]", features)
        feed.seed, feed.user, feed.size, feed.slot = draft.seed, draft.user, size, slots
        feed.item, feed.features = item, numbers
        kept = self._refuse(draft)
        sheet = self._kernel.blank_sheet()
        filled = lib.tf_draft(self._kernel.c_world, sheet.c_scratch, feed)
        self._kernel.free.append(sheet)
        del kept
        return Drafted(slate, features) if filled == size else None

    def _refuse(self, draft: Draft) -> list[Any]:
        """Tell the kernel what is refused; what is returned must live until it has read that."""
        feed, ids, kept = self._feed, array("q"), list[Any]()
        feed.refusals = len(draft.refused)
        if feed.refusals > self._most_refusals:
            self._most_refusals = 2 * feed.refusals
            feed.refusal = self._refusals = ffi.new("tf_refusal[]", self._most_refusals)
        for place, (flow, flag, rows, named) in enumerate(draft.refused):
            refusal = self._refusals[place]
            refusal.flow, refusal.flag = flow, flag
            if rows is None:
                refusal.first, refusal.count, refusal.rows = len(ids), len(named), ffi.NULL
                ids.extend(named)
            else:
                pointer = ffi.from_buffer("int32_t[]", rows)
                refusal.count, refusal.rows = len(rows), pointer
                kept.append(pointer)
        feed.first_carried, feed.carried = len(ids), len(draft.carried)
        ids.extend(draft.carried)
        if len(ids) > self._most_ids:
            self._most_ids = 2 * len(ids)
            feed.found = self._found = ffi.new("int32_t[]", self._most_ids)
        feed.id = pointer = ffi.from_buffer("int64_t[]", ids)
        return [*kept, pointer]

    def _set_up(self, pool: Any, c_table: Any, source: Source) -> None:
        pool.pick, pool.limit, pool.list.table = PICKS[source.pick], source.limit, c_table
        if source.formula is None:
            return
        pool.deepest = most = 2 * (source.limit + lib.TF_MOST_ITEMS + self._feed.spare)
        pool.list.room = self._room("char", 2 * lib.TF_ENTRY_BYTES * (2 * most + lib.TF_BLOCK))
        pool.list.rows, pool.list.scores = self._room("int32_t", most), self._room("float", most)
        if source.pick == "softmax":
            pool.weights = self._room("double", most)
        pool.fresh, pool.bonus = source.formula.fresh, source.formula.bonus.tolist()

    def _room(self, kind: str, count: int) -> Any:
        self._kept.append(ffi.new(f"{kind}[]", max(1, count)))
        return self._kept[-1]
