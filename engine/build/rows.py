"""Ids to rows: clean tables sorted by id, and everything that points at them as row numbers."""

from dataclasses import dataclass
from datetime import UTC

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.tables import Tables

MICROSECONDS = 86_400_000_000  # in a day
LISTS = ("skills", "knowledge", "tools", "languages")


@dataclass(frozen=True, slots=True)
class Rows:
    """The tables with row numbers.

    `videos`, `flows` and `users` are sorted by id; `users` has a row for every id that appears in users, interactions
    or connections, with an empty profile where there is none. `acts` are the interactions, as `data.folding` leaves
    them, and `watching` their users and videos as rows, ascending. `friends` are pairs of user rows. `creator_id` are
    the sorted ids of those who made a video or a flow.
    """

    videos: pd.DataFrame
    flows: pd.DataFrame
    users: pd.DataFrame
    acts: pd.DataFrame
    watching: tuple[NDArray[np.int32], NDArray[np.int32]]
    friends: tuple[NDArray[np.int32], NDArray[np.int32]]
    creator_id: NDArray[np.int64]
    as_of: np.datetime64

    @classmethod
    def of(cls, tables: Tables) -> "Rows":
        """Number the rows of clean tables."""
        videos, flows = _sorted(tables.videos), _sorted(tables.flows)
        acts, connections = tables.interactions, tables.connections
        left, right = ids(connections["user_id"]), ids(connections["connected_user_id"])
        viewers, acts_of_each = _runs(ids(acts["user_id"]))
        user_id = np.unique(np.concatenate([ids(tables.users["id"]), viewers, left, right]))
        watching = (
            np.repeat(positions(viewers, user_id), acts_of_each),
            positions(ids(acts["video_id"]), ids(videos["id"])),
        )
        return cls(
            videos=videos,
            flows=flows,
            users=_profiles(tables.users, user_id),
            acts=acts,
            watching=watching,
            friends=(positions(left, user_id), positions(right, user_id)),
            creator_id=np.union1d(ids(videos["user_id"]), ids(flows["user_id"])),
            as_of=np.datetime64(tables.as_of.astimezone(UTC).replace(tzinfo=None), "us"),
        )

    def age_days(self, created_at: pd.Series) -> NDArray[np.float64]:
        """Days from each date to `as_of`: at least 0, infinite where there is no date."""
        created = created_at.to_numpy(dtype="datetime64[us]")
        age = (self.as_of - created).astype(np.int64) / MICROSECONDS
        return np.where(np.isnat(created), np.inf, np.maximum(age, 0.0))

    def creator_rows(self, user_ids: pd.Series) -> NDArray[np.int32]:
        """Rows in `creator_id` of creators' ids."""
        return positions(ids(user_ids), self.creator_id)


def ids(column: pd.Series) -> NDArray[np.int64]:
    """A column of ids as an array."""
    return column.to_numpy(dtype=np.int64)


def positions(wanted: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.int32]:
    """Where each wanted id is in the known ids, which are all different; -1 where it is not.

    >>> positions(np.array([5, 7]), np.array([3, 7])).tolist()
    [-1, 1]
    """
    return pd.Index(known).get_indexer(pd.Index(wanted)).astype(np.int32)


def _runs(ascending: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """The different ones of ascending ids, and how often each is there."""
    starts = np.flatnonzero(np.diff(ascending, prepend=ascending[:1] - 1))
    return ascending[starts], np.diff(starts, append=len(ascending))


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values("id", kind="stable", ignore_index=True)


def _profiles(users: pd.DataFrame, user_id: NDArray[np.int64]) -> pd.DataFrame:
    profiles = users.set_index("id").reindex(user_id).reset_index(names="id")
    lists = {
        name: pd.Series([v if isinstance(v, list) else [] for v in profiles[name]], dtype=object) for name in LISTS
    }
    return profiles.assign(**lists)
