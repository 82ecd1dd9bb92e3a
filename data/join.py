"""Columns that are joined or summed at load: creators of videos and flows, ratings, likes, connections, reports."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.tables import Tables

LIKES = frozenset({"like", "liked"})
REPORTS = frozenset({"report_broken", "broken"})
Positions = NDArray[np.intp]


def joined(tables: Tables) -> Tables:
    """The same tables with creator columns and the sums of each video.

    Expects cleaned rows (`data.checks`). A creator who is no user gives None in the creator columns.
    """
    videos = _with_creator(tables.videos, tables.users)
    sums = _ratings(videos, tables.interactions)
    sums["like_count"] = _distinct_viewers(videos, tables.interactions, LIKES)
    sums["connection_count"] = _connection_count(videos, tables.connections)
    sums["broken_reports"] = _distinct_viewers(videos, tables.interactions, REPORTS)
    return replace(tables, videos=videos.assign(**sums), flows=_with_creator(tables.flows, tables.users))


def _with_creator(rows: pd.DataFrame, users: pd.DataFrame) -> pd.DataFrame:
    """`creator_name`, `creator_city`, `creator_country` of each row's user, and `city`, which is the creator's."""
    positions = pd.Index(users["id"]).get_indexer(pd.Index(rows["user_id"]))
    found: dict[str, pd.Series[Any]] = {}
    for column in ("name", "city", "country"):
        cells = np.array([*users[column], None], dtype=object)  # the position of no user, -1, is the last
        found[f"creator_{column}"] = pd.Series(cells[positions], index=rows.index, dtype=object)
    return rows.assign(**found, city=found["creator_city"])


def _of_videos(videos: pd.DataFrame, acts: pd.DataFrame, chosen: NDArray[np.bool_]) -> tuple[Positions, Positions]:
    """The last of each viewer's chosen acts on a video, and the row of that video: acts are ascending by both."""
    at = np.flatnonzero(chosen)
    user, video = (acts[name].to_numpy(dtype=np.int64)[at] for name in ("user_id", "video_id"))
    last = np.append((user[1:] != user[:-1]) | (video[1:] != video[:-1]), True)[: len(at)]
    return at[last], np.asarray(pd.Index(videos["id"]).get_indexer(pd.Index(video[last])), dtype=np.intp)


def _ratings(videos: pd.DataFrame, acts: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """`avg_rating` (NaN without ratings) and `rating_count`; of one viewer's ratings only the latest counts."""
    latest, rows = _of_videos(videos, acts, acts["rating"].notna().to_numpy())
    rating = acts["rating"].to_numpy(dtype=np.float64)[latest]
    counts = np.bincount(rows, minlength=len(videos)).astype(np.int64)
    sums = np.bincount(rows, weights=rating, minlength=len(videos))
    average = np.divide(sums, counts, out=np.full(len(videos), np.nan), where=counts > 0)
    return {"avg_rating": average, "rating_count": counts}


def _distinct_viewers(videos: pd.DataFrame, acts: pd.DataFrame, types: frozenset[str]) -> NDArray[np.int64]:
    """How many different viewers have an act of one of the types with each video."""
    of_type = acts["interaction_type"].isin(list(types)).to_numpy(dtype=bool)
    return np.bincount(_of_videos(videos, acts, of_type)[1], minlength=len(videos)).astype(np.int64)


def _connection_count(videos: pd.DataFrame, connections: pd.DataFrame) -> NDArray[np.int64]:
    """How many connections the creator of each video has."""
    ends = connections[["user_id", "connected_user_id"]].to_numpy(dtype=np.int64).ravel()
    people, counts = np.unique(ends, return_counts=True)
    positions = pd.Index(people).get_indexer(pd.Index(videos["user_id"]))
    return np.asarray(np.append(counts, 0)[positions], dtype=np.int64)
