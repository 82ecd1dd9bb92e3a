"""Whole feeds by the C code: `tf_draft` does in one call what `engine.board` and `engine.assemble` define."""

from __future__ import annotations

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
        feed.flow_head, feed.flow_ceiling = self._room("double", flows), self._room("double", flows)
        feed.pools = pools = ffi.new("tf_pool[]", len(standing.sources))
        self._kept.append(pools)
        for pool, name, source in zip(pools, POOL_NAMES, standing.sources, strict=True):
            if source is not None:
                self._set_up(pool, kernel.orders[name].c_table if source.formula is not None else ffi.NULL, source)

    def draft(self, draft: Draft) -> Drafted | None:
        feed, size = self._feed, len(draft.slots)
        slate, features = np.zeros(size, dtype=SLATE), np.zeros((size, DIMENSIONS), dtype=np.float32)
        carried, refused = ffi.from_buffer("int32_t[]", draft.carried), ffi.new("tf_refusal[]", len(draft.refused))
        slots, item = ffi.from_buffer("uint8_t[]", draft.slots), ffi.from_buffer("tf_item[]", slate)
        numbers = ffi.from_buffer("float[]", features)
        feed.seed, feed.user, feed.size, feed.slot = draft.seed, draft.user, size, slots
        feed.carried, feed.carried_creator = len(draft.carried), carried
        feed.refusals, feed.refusal = len(refused), refused
        kept = []
        for refusal, one in zip(refused, draft.refused, strict=True):
            rows = ffi.from_buffer("int32_t[]", one.rows)
            refusal.flow, refusal.flag, refusal.count, refusal.rows = one.flow, one.flag, len(one.rows), rows
            kept.append(rows)
        feed.item, feed.features = item, numbers
        sheet = self._kernel.blank_sheet()
        filled = lib.tf_draft(self._kernel.c_world, sheet.c_scratch, feed)
        self._kernel.free.append(sheet)
        return Drafted(slate, features) if filled == size else None

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
