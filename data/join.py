"""Columns that are joined or summed at load: creators of videos and flows, ratings, likes, connections, reports."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.tables import Tables

LIKES = frozenset({"like", "liked"})
REPORTS = frozenset({"report_broken", "broken"})


def joined(tables: Tables) -> Tables:
    """The same tables with creator columns, the sums of each video, and connections each once.

    Expects cleaned rows (`data.checks`). A creator who is no user gives None in the creator columns.
    """
    connections = _each_once(tables.connections)
    videos = _with_creator(tables.videos, tables.users)
    sums = _ratings(videos, tables.interactions)
    sums["like_count"] = _distinct_viewers(videos, tables.interactions, LIKES)
    sums["connection_count"] = _connection_count(videos, connections)
    sums["broken_reports"] = _distinct_viewers(videos, tables.interactions, REPORTS)
    return replace(
        tables, videos=videos.assign(**sums), flows=_with_creator(tables.flows, tables.users), connections=connections
    )


def _each_once(connections: pd.DataFrame) -> pd.DataFrame:
    """Connections as pairs with the smaller id first, each pair once."""
    left, right = (connections[name].to_numpy(dtype=np.int64) for name in ("user_id", "connected_user_id"))
    pairs = pd.DataFrame({"user_id": np.minimum(left, right), "connected_user_id": np.maximum(left, right)})
    return pairs.drop_duplicates().sort_values(["user_id", "connected_user_id"], ignore_index=True)


def _with_creator(rows: pd.DataFrame, users: pd.DataFrame) -> pd.DataFrame:
    """`creator_name`, `creator_city`, `creator_country` of each row's user, and `city`, which is the creator's."""
    positions = pd.Index(users["id"]).get_indexer(pd.Index(rows["user_id"]))
    found: dict[str, pd.Series[Any]] = {}
    for column in ("name", "city", "country"):
        cells = np.array([*users[column], None], dtype=object)  # the position of no user, -1, is the last
        found[f"creator_{column}"] = pd.Series(cells[positions], index=rows.index, dtype=object)
    return rows.assign(**found, city=found["creator_city"])


def _rows_of_videos(videos: pd.DataFrame, interactions: pd.DataFrame) -> NDArray[np.intp]:
    return np.asarray(pd.Index(videos["id"]).get_indexer(pd.Index(interactions["video_id"])), dtype=np.intp)


def _ratings(videos: pd.DataFrame, interactions: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """`avg_rating` (NaN without ratings) and `rating_count`; of one viewer's ratings only the latest counts."""
    rated = interactions[interactions["rating"].notna().to_numpy()]
    latest = rated.sort_values("created_at", kind="stable", na_position="first")
    latest = latest.drop_duplicates(["user_id", "video_id"], keep="last")
    rows = _rows_of_videos(videos, latest)
    counts = np.bincount(rows, minlength=len(videos)).astype(np.int64)
    sums = np.bincount(rows, weights=latest["rating"].to_numpy(dtype=np.float64), minlength=len(videos))
    average = np.divide(sums, counts, out=np.full(len(videos), np.nan), where=counts > 0)
    return {"avg_rating": average, "rating_count": counts}


def _distinct_viewers(videos: pd.DataFrame, interactions: pd.DataFrame, types: frozenset[str]) -> NDArray[np.int64]:
    """How many different viewers have an interaction of one of the types with each video."""
    of_type = interactions["interaction_type"].isin(list(types)).to_numpy(dtype=bool)
    once = interactions.loc[of_type, ["user_id", "video_id"]].drop_duplicates()
    return np.bincount(_rows_of_videos(videos, once), minlength=len(videos)).astype(np.int64)


def _connection_count(videos: pd.DataFrame, connections: pd.DataFrame) -> NDArray[np.int64]:
    """How many connections the creator of each video has."""
    ends = connections[["user_id", "connected_user_id"]].to_numpy(dtype=np.int64).ravel()
    people, counts = np.unique(ends, return_counts=True)
    positions = pd.Index(people).get_indexer(pd.Index(videos["user_id"]))
    return np.asarray(np.append(counts, 0)[positions], dtype=np.int64)
