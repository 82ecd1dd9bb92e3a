"""The kernel in C (`kernel.c`), called through cffi. Equal to `reference` on every pick, some hundred times faster."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bandit.score_table import ScoreTable
from engine.features import PAIR_COLUMNS, VIDEO_COLUMNS
from engine.kernel._kernel import ffi, lib
from engine.kernel.base import NEVER, Floats, Ranked, Rows, Standing, Viewer
from engine.kernel.draft import CompiledDrafter
from engine.kernel.order import Ordered, OrderedTable
from engine.world import Array, World


def pointer(kind: str, array: Array) -> Any:
    """A C pointer to the array's first value; the array must outlive it."""
    return ffi.from_buffer(f"{kind}[]", array)


class CompiledKernel:
    """See `engine.kernel.base.Kernel`. Sheets are kept and used again, so that no feed allocates by the catalogue."""

    name = "compiled"

    def __init__(self, world: World, tables: Mapping[str, ScoreTable | OrderedTable], social_like: float) -> None:
        self.world = world
        self.made = _made_of(world)
        self.c_world = _c_world(world, self.made, social_like)
        self.orders = {pool: Ordered.of(table) for pool, table in tables.items()}
        self.heads = [_lay_out_head(world, ordered) for ordered in self.orders.values()]
        self.free: list[CompiledSheet] = []

    def sheet(self, viewer: Viewer) -> "CompiledSheet":
        sheet = self.blank_sheet()
        sheet.open(self, viewer)
        return sheet

    def blank_sheet(self) -> "CompiledSheet":
        """A sheet without a viewer."""
        try:
            return self.free.pop()
        except IndexError:
            return CompiledSheet(self.world)

    def drafter(self, standing: Standing) -> CompiledDrafter:
        return CompiledDrafter(self, standing)


class CompiledSheet:
    """See `engine.kernel.base.Sheet`. It knows its kernel while it is open: one that lies with the kernel for the next
    feed would keep it, and all that it maps, until a collection."""

    kernel: CompiledKernel

    def __init__(self, world: World) -> None:
        self.flags: NDArray[np.uint8] = np.zeros(world.videos, dtype=np.uint8)
        self.creator_last: NDArray[np.int32] = np.full(world.creators, NEVER, dtype=np.int32)
        self.skill_dot: Floats = np.zeros(len(world.skill_vector), dtype=np.float32)
        self.match: Floats = np.zeros(world.videos, dtype=np.float32)
        self.matched: Rows = np.zeros(world.videos + 1, dtype=np.int32)
        self.social: Floats = np.zeros(world.videos, dtype=np.float32)
        self.c_scratch = ffi.new("tf_scratch *")
        self.c_scratch.flags = self.c_flags = pointer("uint8_t", self.flags)
        self.c_scratch.creator_last = pointer("int32_t", self.creator_last)
        self.c_scratch.skill_dot = pointer("float", self.skill_dot)
        around = np.zeros(world.creators + 2, dtype=np.float32)
        around[0], self.nearness = 1.0, around[1:]  # before the first creator: those who made nothing
        self.met: Rows = np.zeros(world.creators + 1, dtype=np.int32)
        self.c_scratch.nearness, self.c_scratch.met = pointer("float", self.nearness), pointer("int32_t", self.met)
        self.c_scratch.match, self.c_scratch.matched = pointer("float", self.match), pointer("int32_t", self.matched)
        self.c_scratch.social = pointer("float", self.social)
        self.c_viewer = ffi.new("tf_viewer *")
        self.marked: list[Rows] = []
        self.indices: Rows = np.zeros(4096, dtype=np.int32)

    def open(self, kernel: CompiledKernel, viewer: Viewer) -> None:
        """Point the sheet at a viewer and spread their terms and friends over the catalogue."""
        self.is_open, self.kernel = True, kernel
        world, c_viewer = self.kernel.world, self.c_viewer
        self.viewer = viewer
        c_viewer.user, c_viewer.city, c_viewer.country = viewer.user, viewer.city, viewer.country
        c_viewer.key_a, c_viewer.key_b, c_viewer.tie_key = viewer.key_a, viewer.key_b, viewer.tie_key
        c_viewer.terms, c_viewer.term = len(viewer.terms), pointer("int32_t", viewer.terms)
        embedding = world.user_embedding[viewer.user] if viewer.user >= 0 else None
        known = embedding is not None and embedding.any()
        c_viewer.embedding = pointer("float", embedding) if known and embedding is not None else ffi.NULL
        lib.tf_spread(self.kernel.c_world, c_viewer, self.c_scratch)

    def mark(self, rows: Rows, flag: int) -> int:
        self.marked.append(rows)
        return int(lib.tf_mark(self.c_flags, pointer("int32_t", rows), len(rows), flag))

    def rank(self, pools: Sequence[str], depths: Sequence[int], mask: int) -> list[Ranked]:
        lists = ffi.new("tf_list[]", len(pools))
        kept: list[tuple[Rows, Floats, Array]] = []
        for c_list, pool, depth in zip(lists, pools, depths, strict=True):
            rows, scores = np.empty(depth, dtype=np.int32), np.empty(depth, dtype=np.float32)
            room = np.empty(2 * lib.TF_ENTRY_BYTES * (2 * depth + lib.TF_BLOCK), dtype=np.uint8)
            c_list.table, c_list.k, c_list.room = self.kernel.orders[pool].c_table, depth, pointer("char", room)
            c_list.rows, c_list.scores = pointer("int32_t", rows), pointer("float", scores)
            kept.append((rows, scores, room))
        lib.tf_rank(self.kernel.c_world, self.c_viewer, self.c_scratch, mask, lists, len(pools))
        return [
            Ranked(rows[: c_list.length], scores[: c_list.length], c_list.length < c_list.k)
            for c_list, (rows, scores, _) in zip(lists, kept, strict=True)
        ]

    def allowed(self, ranked: Ranked, limit: int, mask: int, position: int, window: int) -> Rows:
        if limit > len(self.indices):
            self.indices = np.zeros(limit, dtype=np.int32)
        indices, rows = self.indices, ranked.rows
        found = lib.tf_allowed(
            self.kernel.c_world,
            self.c_scratch,
            pointer("int32_t", rows),
            len(rows),
            limit,
            mask,
            position,
            window,
            pointer("int32_t", indices),
        )
        return indices[:found].copy()

    def open_rows(self, creators: Rows, mask: int) -> int:
        c_creators = pointer("int32_t", creators)
        return int(lib.tf_open_rows(self.kernel.c_world, self.c_scratch, c_creators, len(creators), mask))

    def pair_features(self, rows: Rows) -> Floats:
        features = np.empty((len(rows), 5), dtype=np.float32)
        lib.tf_pair_features(
            self.kernel.c_world,
            self.c_viewer,
            self.c_scratch,
            pointer("int32_t", rows),
            len(rows),
            pointer("float", features),
        )
        return features

    def wipe(self) -> None:
        if not self.is_open:
            return
        self.is_open = False
        lib.tf_unspread(self.kernel.c_world, self.c_viewer, self.c_scratch)
        for rows in self.marked:
            self.flags[rows] = 0
        self.marked.clear()
        self.creator_last[:] = NEVER
        self.kernel.free.append(self)
        del self.kernel


def _lay_out_head(world: World, ordered: Ordered) -> list[Array]:
    """Put what pair features need of its first videos beside a table; the arrays must outlive it."""
    if ordered.table.row is None:
        return []
    rows, c_table = ordered.table.row[: lib.TF_HEAD], ordered.c_table
    skill = np.ascontiguousarray(world.video_skill[:, rows])
    weight = np.ascontiguousarray(world.video_skill_weight[:, rows])
    place = np.stack([world.video_city[rows], world.video_country[rows], world.video_creator[rows]])
    c_table.head, c_table.head_place = len(rows), pointer("int32_t", place)
    c_table.head_skill, c_table.head_weight = pointer("int32_t", skill), pointer("float", weight)
    return [skill, weight, place]


def _made_of(world: World) -> dict[str, Array]:
    """Arrays that the C code reads beside the snapshot's, by their names in `tf_world`; a byte and a half a video."""
    weight = np.abs(world.video_skill_weight[1:]).sum(axis=0)
    np.add.at(weight, world.more_skill_video, np.abs(world.more_skill_weight))
    unit = float(weight.max(initial=0.0)) / 255 or 1.0
    places = np.arange(0, world.videos + lib.TF_STRIDE, lib.TF_STRIDE)
    return {
        "flow_order": np.argsort(-world.flow_temporal, kind="stable").astype(np.int32),
        "more_start": np.searchsorted(world.more_skill_video, places).astype(np.int32),
        "other_weight": np.minimum(np.ceil(weight / unit), 255).astype(np.uint8),
        "other_unit": np.array([unit], dtype=np.float32),
    }


def _c_world(world: World, made: Mapping[str, Array], social_like: float) -> Any:
    c_world = ffi.new("tf_world *")
    c_world.videos, c_world.social_like, c_world.more = world.videos, social_like, len(world.more_skill)
    c_world.skills, c_world.width = world.skill_vector.shape
    c_world.creators, c_world.users = world.creators, len(world.user_id)
    c_world.flows, c_world.video_column, c_world.pair_column = world.flows, VIDEO_COLUMNS, PAIR_COLUMNS
    columns = {
        "skill_vector": ("float", world.skill_vector),
        "skill": ("int32_t", world.video_skill),
        "skill_weight": ("float", world.video_skill_weight),
        "more_video": ("int32_t", world.more_skill_video),
        "more_start": ("int32_t", made["more_start"]),
        "other_weight": ("uint8_t", made["other_weight"]),
        "other_unit": ("float", made["other_unit"]),
        "more_skill": ("int32_t", world.more_skill),
        "more_weight": ("float", world.more_skill_weight),
        "city": ("int32_t", world.video_city),
        "country": ("int32_t", world.video_country),
        "creator": ("int32_t", world.video_creator),
        "term_start": ("int64_t", world.term_start),
        "term_video": ("int32_t", world.term_video),
        "term_weight": ("float", world.term_weight),
        "friend_start": ("int64_t", world.user_friend_start),
        "friend_user": ("int32_t", world.user_friend),
        "liked_start": ("int64_t", world.user_liked_start),
        "liked_video": ("int32_t", world.user_liked),
        "user_creator": ("int32_t", world.user_creator),
        "creator_start": ("int64_t", world.creator_video_start),
        "creator_video": ("int32_t", world.creator_video),
        "user_id": ("int64_t", world.user_id),
        "user_city": ("int32_t", world.user_city),
        "user_country": ("int32_t", world.user_country),
        "user_embedding": ("float", world.user_embedding),
        "user_term_start": ("int64_t", world.user_term_start),
        "user_term": ("int32_t", world.user_term),
        "video_id": ("int64_t", world.video_id),
        "video_fresh": ("uint8_t", world.video_fresh),
        "video_features": ("float", world.video_features),
        "creator_id": ("int64_t", world.creator_id),
        "flow_id": ("int64_t", world.flow_id),
        "flow_creator": ("int32_t", world.flow_creator),
        "flow_temporal": ("float", world.flow_temporal),
        "flow_order": ("int32_t", made["flow_order"]),
    }
    expected = {"float": np.float32, "int32_t": np.int32, "int64_t": np.int64, "uint8_t": np.uint8}
    for name, (kind, array) in columns.items():
        if array.dtype != expected[kind] or not array.flags.c_contiguous:
            raise TypeError(f"{name}: {array.dtype} is not a contiguous {kind} array")
        setattr(c_world, name, pointer(kind, array))
    return c_world
