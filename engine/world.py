"""The typed view of a snapshot that the engine works on: arrays by name, ids to rows, nothing computed."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.snapshot import Snapshot

Array = NDArray[Any]
Rows = NDArray[np.int32]
EMBEDDING_ARRAYS = (
    "skill_vector",
    "video_skill",
    "video_skill_weight",
    "more_skill_video",
    "more_skill",
    "more_skill_weight",
)


NO_ROWS: Rows = np.zeros(0, dtype=np.int32)
NO_ROWS.setflags(write=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class World:
    """One snapshot's arrays. N videos, F flows, U users, C creators, T terms, K skills, D embedding width.

    Rows of videos, flows, users and creators are ascending by id. `*_start` arrays are offsets of ragged lists:
    the list of row i is `values[start[i]:start[i + 1]]`. Built by `engine.build`.
    """

    snapshot_id: str
    details: Mapping[str, Any]
    video_id: Array  # int64 [N]
    video_creator: Array  # int32 [N], row of creator_id
    video_city: Array  # int32 [N], -1 unknown
    video_country: Array  # int32 [N], -1 unknown
    video_fresh: Array  # uint8 [N], younger than fresh_days at the snapshot's time
    video_features: Array  # float32 [13, N], rows as engine.features.VIDEO_COLUMNS
    skill_vector: Array  # float32 [K, D], embeddings of the skills that videos state
    video_skill: Array  # int32 [4, N], rows of skill_vector: a video's first four
    video_skill_weight: Array  # float32 [4, N], their weights in the video's unit vector; 0 where there are fewer
    more_skill_video: Array  # int32 [M], the videos of further skills, ascending
    more_skill: Array  # int32 [M]
    more_skill_weight: Array  # float32 [M]
    video_fragment: Array  # uint8, ready JSON members
    video_fragment_start: Array  # int64 [N + 1]
    term_start: Array  # int64 [T + 1], term to videos
    term_video: Array  # int32
    term_weight: Array  # float32
    term_kind: Array  # uint8 [T], 0 skills, 1 knowledge, 2 tools, 3 languages
    user_id: Array  # int64 [U]
    user_city: Array  # int32 [U]
    user_country: Array  # int32 [U]
    user_embedding: Array  # float32 [U, D]
    user_term_start: Array  # int64 [U + 1]
    user_term: Array  # int32
    user_watched_start: Array  # int64 [U + 1], user to videos
    user_watched: Array  # int32
    user_liked_start: Array  # int64 [U + 1], user to videos
    user_liked: Array  # int32
    user_friend_start: Array  # int64 [U + 1], user to users
    user_friend: Array  # int32
    user_creator: Array  # int32 [U], row of creator_id or -1
    creator_id: Array  # int64 [C]
    creator_video_start: Array  # int64 [C + 1], creator to videos
    creator_video: Array  # int32 [N]
    flow_id: Array  # int64 [F]
    flow_creator: Array  # int32 [F]
    flow_temporal: Array  # float32 [F], freshness
    flow_fragment: Array  # uint8
    flow_fragment_start: Array  # int64 [F + 1]

    @classmethod
    def of(cls, snapshot: Snapshot) -> "World":
        """View a snapshot. Raises KeyError naming an array that is absent."""
        names = [entry.name for entry in fields(cls) if entry.name not in ("snapshot_id", "details")]
        arrays = {name: snapshot.arrays[name] for name in names}
        return cls(snapshot_id=snapshot.id, details=snapshot.details, **arrays)

    @property
    def videos(self) -> int:
        """Number of videos."""
        return len(self.video_id)

    @property
    def flows(self) -> int:
        """Number of flows."""
        return len(self.flow_id)

    @property
    def creators(self) -> int:
        """Number of creators, of videos or flows."""
        return len(self.creator_id)

    def video_embeddings(self) -> NDArray[np.float32]:
        """The videos' vectors, (N, D), unit or zero: for looking at, not for serving."""
        return video_embeddings({name: getattr(self, name) for name in EMBEDDING_ARRAYS})

    def user_row(self, user_id: int) -> int:
        """The user's row, or -1 for one the snapshot does not know."""
        return row_of(self.user_id, user_id)

    def video_rows(self, ids: Sequence[int]) -> Rows:
        """Rows of those of these video ids that the snapshot holds, in their order."""
        return rows_of(self.video_id, ids)

    def flow_rows(self, ids: Sequence[int]) -> Rows:
        """Rows of those of these flow ids that the snapshot holds, in their order."""
        return rows_of(self.flow_id, ids)

    def creator_rows(self, ids: Sequence[int]) -> Rows:
        """The row of each of these creators, -1 for one that made nothing."""
        return places_of(self.creator_id, ids)

    def creator_row(self, creator_id: int) -> int:
        """The creator's row, or -1 for one that made nothing."""
        return row_of(self.creator_id, creator_id)


def video_embeddings(arrays: Mapping[str, Array]) -> NDArray[np.float32]:
    """The vectors (N, D) that the snapshot's `EMBEDDING_ARRAYS` stand for: each video's weighted sum of its skills'."""
    vector, skill, weight, more_video, more_skill, more_weight = (arrays[name] for name in EMBEDDING_ARRAYS)
    vectors = np.einsum("sn,snd->nd", weight, vector[skill])
    np.add.at(vectors, more_video, more_weight[:, None] * vector[more_skill])
    return np.asarray(vectors, dtype=np.float32)


def row_of(known: Array, identity: int) -> int:
    """The position of an id in the ascending array `known`, or -1."""
    ids = known.data  # a few of its numbers are read faster one by one than numpy is called
    row = bisect_left(ids, identity)
    return row if row < len(ids) and ids[row] == identity else -1


def rows_of(known: Array, ids: Sequence[int]) -> Rows:
    """Positions in the ascending array `known` of those ids that it holds.

    >>> rows_of(np.array([2, 5, 9]), (9, 4, 2)).tolist()
    [2, 0]
    """
    if not len(ids):
        return NO_ROWS
    places = places_of(known, ids)
    return places[places >= 0]


def places_of(known: Array, ids: Sequence[int]) -> Rows:
    """The position of each id in the ascending array `known`, or -1.

    >>> places_of(np.array([2, 5, 9]), (9, 4, 2)).tolist()
    [2, -1, 0]
    """
    if not len(ids) or not len(known):
        return np.full(len(ids), -1, dtype=np.int32)
    wanted = np.asarray(ids, dtype=np.int64)
    place = known.searchsorted(wanted).astype(np.int32)
    place[place == len(known)] = 0
    place[known[place] != wanted] = -1
    return np.asarray(place)
