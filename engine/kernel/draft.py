"""Hands a draft to the C code and its answer back."""

from typing import Any

import numpy as np

from engine.kernel._kernel import ffi, lib
from engine.kernel.base import Draft, Drafted, Source
from engine.world import World

PICKS = {
    "softmax": lib.TF_SOFTMAX,
    "top": lib.TF_TOP,
    "uniform": lib.TF_UNIFORM,
    "flows": lib.TF_FLOWS,
    "explore": lib.TF_EXPLORE,
}


class Answer:
    """The arrays that the C code fills, an entry a slot."""

    def __init__(self, size: int) -> None:
        self.rows = np.empty(size, dtype=np.int32)
        self.explored = np.empty(size, dtype=np.uint8)
        self.scores = np.empty(size, dtype=np.float64)
        self.chances = np.empty(size, dtype=np.float64)

    def drafted(self) -> Drafted:
        """The same as plain lists."""
        explored = self.explored.view(np.bool_).tolist()
        return Drafted(self.rows.tolist(), explored, self.scores.tolist(), self.chances.tolist())


def c_draft(world: World, draft: Draft, answer: Answer) -> tuple[Any, list[Any]]:
    """The C struct of a draft, and what it points into: keep that until the call is over."""
    size, carried = len(draft.slots), len(draft.recent)
    recent = np.zeros((2, carried + size), dtype=np.int32)
    if carried:
        recent[:, :carried] = np.array(draft.recent, dtype=np.int32).T
    pools = ffi.new("tf_pool[]", len(draft.sources))
    kept: list[Any] = [pools, recent]
    for c_pool, source in zip(pools, draft.sources, strict=True):
        kept.append(_fill_pool(c_pool, source, draft))
    c_feed = ffi.new("tf_feed *")
    c_feed.seed, c_feed.size, c_feed.window = draft.seed, size, draft.window
    c_feed.open_videos, c_feed.recent, c_feed.explore_rate = draft.open_videos, carried, draft.explore_rate
    c_feed.flow_random, c_feed.flow_bonus, c_feed.flows = draft.flow_random, draft.flow_bonus, world.flows
    c_feed.repeat_flag = draft.repeat_flag
    buffers = {
        "recent_creator": ("int32_t[]", recent[0]),
        "recent_position": ("int32_t[]", recent[1]),
        "slot": ("uint8_t[]", draft.slots),
        "turned": ("uint8_t[]", draft.turned),
        "flow_flags": ("uint8_t[]", draft.flow_flags),
        "flow_creator": ("int32_t[]", world.flow_creator),
        "flow_temporal": ("float[]", world.flow_temporal),
        "flow_rows": ("int32_t[]", np.empty(world.flows, dtype=np.int32)),
        "flow_head": ("double[]", np.empty(world.flows)),
        "flow_ceiling": ("double[]", np.empty(world.flows)),
        "row": ("int32_t[]", answer.rows),
        "explored": ("uint8_t[]", answer.explored),
        "score": ("double[]", answer.scores),
        "chance": ("double[]", answer.chances),
    }
    for name, (kind, array) in buffers.items():
        kept.append(ffi.from_buffer(kind, array))
        setattr(c_feed, name, kept[-1])
    c_feed.pools = pools
    return c_feed, kept


def _fill_pool(c_pool: Any, source: Source, draft: Draft) -> Any:
    """Point the C pool at its ranked candidates; returns what has to be kept."""
    c_pool.pick, c_pool.limit = PICKS[source.pick], source.limit
    ranked = draft.ranked.get(source.pool)
    if ranked is None:
        return None
    c_pool.count, c_pool.complete = len(ranked.rows), ranked.complete
    c_pool.rows = ffi.from_buffer("int32_t[]", ranked.rows)
    c_pool.scores = ffi.from_buffer("float[]", ranked.scores)
    if source.pick != "softmax" or not len(ranked.scores):
        return None
    weights = np.exp(ranked.scores.astype(np.float64) - float(ranked.scores[0]))
    c_pool.weights = ffi.from_buffer("double[]", weights)
    return weights
