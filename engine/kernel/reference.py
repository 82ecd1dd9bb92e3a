"""The kernel in plain numpy: the definition that the compiled one must equal. Slower, allocates freely."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bandit.score_table import ScoreTable
from engine.kernel.base import NEVER, Floats, Ranked, Rows, Standing, Viewer
from engine.world import Array, World

ONE, HALF, ZERO = np.float32(1), np.float32(0.5), np.float32(0)


def mix(h: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The finaliser of MurmurHash3: a bijection of 32-bit words (Appleby, 2011)."""
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return np.asarray(h ^ (h >> np.uint32(16)), dtype=np.uint32)


class ReferenceSheet:
    """See `engine.kernel.base.Sheet`."""

    def __init__(self, world: World, tables: Mapping[str, ScoreTable], viewer: Viewer, social_like: float) -> None:
        self.world, self.tables, self.viewer = world, tables, viewer
        self.flags: NDArray[np.uint8] = np.zeros(world.videos, dtype=np.uint8)
        self.creator_last: NDArray[np.int32] = np.full(world.creators, NEVER, dtype=np.int32)
        every = np.arange(world.videos, dtype=np.uint32)
        self.tie = mix(every ^ np.uint32(viewer.tie_key))
        self.pairs = np.stack(
            [
                self._similarity(),
                np.minimum(self._match(), ONE),
                self._city(),
                np.minimum(self._social(np.float32(social_like)), ONE),
                (mix(mix(every + np.uint32(viewer.key_a)) ^ np.uint32(viewer.key_b)) >> np.uint32(8))
                * np.float32(2.0**-24),
            ]
        ).astype(np.float32)

    def mark(self, rows: Rows, flag: int) -> int:
        rows = np.unique(rows)
        fresh = int((self.flags[rows] == 0).sum())
        self.flags[rows] |= np.uint8(flag)
        return fresh

    def rank(self, pools: Sequence[str], depths: Sequence[int], mask: int) -> list[Ranked]:
        return [self._rank(self.tables[pool], depth, mask) for pool, depth in zip(pools, depths, strict=True)]

    def allowed(self, ranked: Ranked, limit: int, mask: int, position: int, window: int) -> Rows:
        clear = (self.flags[ranked.rows] & mask) == 0
        apart = position - self.creator_last[self.world.video_creator[ranked.rows]] >= window
        return np.flatnonzero(clear & apart)[:limit].astype(np.int32)

    def open_rows(self, creators: Rows, mask: int) -> int:
        return int(((self.flags & mask) == 0)[np.isin(self.world.video_creator, creators)].sum())

    def pair_features(self, rows: Rows) -> Floats:
        return np.ascontiguousarray(self.pairs[:, rows].T)

    def wipe(self) -> None:
        self.flags[:] = 0
        self.creator_last[:] = NEVER

    def _rank(self, table: ScoreTable, depth: int, mask: int) -> Ranked:
        scores = self.scores(table)
        open_rows = np.flatnonzero(((self.flags & mask) == 0) & np.isfinite(scores))
        order = np.lexsort((-self.tie[open_rows].astype(np.int64), -scores[open_rows]))[:depth]
        rows = open_rows[order].astype(np.int32)
        return Ranked(rows, scores[rows], len(open_rows) < depth)

    def scores(self, table: ScoreTable) -> Floats:
        """Every video's score, (N,) float32, summed in the same order as the compiled kernel."""
        lower, c = table.lower, table.c
        total = table.rest
        squares = np.zeros(self.world.videos, dtype=np.float32)
        for j in range(5):
            shifted = np.zeros(self.world.videos, dtype=np.float32)
            for k in range(j, 5):
                shifted = shifted + lower[k, j] * self.pairs[k]
            squares = squares + (table.v[j] + shifted) ** 2
        total = total + squares
        linear = np.zeros(self.world.videos, dtype=np.float32)
        for k in range(5):
            linear = linear + c[k] * self.pairs[k]
        return np.asarray(table.base + linear + np.sqrt(total), dtype=np.float32)

    def _similarity(self) -> Floats:
        world, user = self.world, self.viewer.user
        if user < 0:
            return np.zeros(world.videos, dtype=np.float32)
        products = world.skill_vector * world.user_embedding[user]
        lanes = np.zeros((len(products), 8), dtype=np.float32)
        for start in range(0, products.shape[1], 8):
            lanes = lanes + products[:, start : start + 8]
        folded = lanes[:, :4] + lanes[:, 4:]
        dot = (folded[:, 0] + folded[:, 1]) + (folded[:, 2] + folded[:, 3])
        total = np.zeros(world.videos, dtype=np.float32)
        for skill, weight in zip(world.video_skill, world.video_skill_weight, strict=True):
            total = total + weight * dot[skill]
        np.add.at(total, world.more_skill_video, world.more_skill_weight * dot[world.more_skill])
        return np.asarray(np.clip(total, ZERO, ONE), dtype=np.float32)

    def _match(self) -> Floats:
        match = np.zeros(self.world.videos, dtype=np.float32)
        for term in self.viewer.terms:
            span = slice(self.world.term_start[term], self.world.term_start[term + 1])
            np.add.at(match, self.world.term_video[span], self.world.term_weight[span])
        return match

    def _city(self) -> Floats:
        viewer, world = self.viewer, self.world
        same_city = (world.video_city == viewer.city) & (viewer.city >= 0)
        same_country = (world.video_country == viewer.country) & (viewer.country >= 0)
        return np.where(same_city, ONE, np.where(same_country, HALF, ZERO)).astype(np.float32)

    def _social(self, social_like: np.float32) -> Floats:
        world, user = self.world, self.viewer.user
        social = np.zeros(world.videos, dtype=np.float32)
        if user < 0:
            return social
        friends = ragged(world.user_friend_start, world.user_friend, user)
        for friend in friends:
            for person in ragged(world.user_friend_start, world.user_friend, friend):
                social[self._videos_by(person)] = HALF
        for friend in friends:
            social[self._videos_by(friend)] = ONE
        for friend in friends:
            np.add.at(social, ragged(world.user_liked_start, world.user_liked, friend), social_like)
        return social

    def _videos_by(self, user: int) -> Array:
        creator = self.world.user_creator[user]
        if creator < 0:
            return np.zeros(0, dtype=np.int32)
        return ragged(self.world.creator_video_start, self.world.creator_video, creator)


class ReferenceKernel:
    """See `engine.kernel.base.Kernel`."""

    name = "reference"

    def __init__(self, world: World, tables: Mapping[str, ScoreTable], social_like: float) -> None:
        self.world, self.tables, self.social_like = world, tables, social_like

    def sheet(self, viewer: Viewer) -> ReferenceSheet:
        return ReferenceSheet(self.world, self.tables, viewer, self.social_like)

    def drafter(self, standing: Standing) -> None:
        """Feeds are assembled in Python, which defines what a draft is."""


def ragged(start: Array, values: Array, row: int) -> Array:
    """The list of one row of a ragged array."""
    return values[start[row] : start[row + 1]]
