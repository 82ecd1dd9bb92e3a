"""Small clean tables for tests of the build, as `data.checks.clean` leaves them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from data import folding
from data.tables import Tables

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def days_ago(days: float) -> datetime:
    """A naive UTC date as the tables hold it."""
    return (NOW - timedelta(days=days)).replace(tzinfo=None)


def video(video_id: int, user_id: int = 1, **given: Any) -> dict[str, Any]:
    """A video row; what is not given is empty."""
    row: dict[str, Any] = {
        "id": video_id,
        "user_id": user_id,
        "video": f"https://cdn.example/{video_id}.mp4",
        "views": 0,
        "video_skills": [],
        "video_knowledges": [],
        "video_tools": [],
        "video_languages": [],
        "role_objectives": [],
        "created_at": days_ago(1),
        "description": None,
        "creator_name": None,
        "creator_city": None,
        "creator_country": None,
        "city": None,
        "avg_rating": float("nan"),
        "rating_count": 0,
        "like_count": 0,
        "connection_count": 0,
        "exhibited_count": 0,
        "broken_reports": 0,
    }
    return row | given


def user(user_id: int, **given: Any) -> dict[str, Any]:
    """A user row; what is not given is empty."""
    row: dict[str, Any] = {"id": user_id, "name": None, "city": None, "country": None, "created_at": days_ago(100)}
    row |= {name: [] for name in ("skills", "languages", "tools", "knowledge")}
    row |= {name: [] for name in ("hobbies", "type_talentees", "opencall_objective")}
    return row | given


def act(user_id: int, video_id: int, kind: str, rating: float = float("nan"), days: float = 1) -> dict[str, Any]:
    """An interaction row."""
    return {
        "user_id": user_id,
        "video_id": video_id,
        "rating": rating,
        "created_at": days_ago(days),
        "interaction_type": kind,
    }


def flow(flow_id: int, user_id: int = 1, **given: Any) -> dict[str, Any]:
    """A flow row."""
    row: dict[str, Any] = {"id": flow_id, "user_id": user_id, "video": "https://cdn.example/f.mp4", "name": "Show it"}
    row |= {"description": None, "created_at": days_ago(1), "creator_name": None}
    row |= {"creator_city": None, "creator_country": None, "city": None}
    return row | given


def tables(
    *,
    videos: list[dict[str, Any]] | None = None,
    users: list[dict[str, Any]] | None = None,
    acts: list[dict[str, Any]] | None = None,
    connections: list[tuple[int, int]] | None = None,
    flows: list[dict[str, Any]] | None = None,
) -> Tables:
    """Tables of the given rows."""
    return Tables(
        videos=_frame(videos, video(0), ids=("id", "user_id")),
        users=_frame(users, user(0), ids=("id",)),
        interactions=_folded(_frame(acts, act(0, 0, "view"), ids=("user_id", "video_id"))),
        connections=pd.DataFrame(connections or [], columns=["user_id", "connected_user_id"], dtype=np.int64),
        flows=_frame(flows, flow(0), ids=("id", "user_id")),
        as_of=NOW,
        source="test",
    )


def _folded(acts: pd.DataFrame) -> pd.DataFrame:
    types = acts["interaction_type"].astype("str").astype("category")
    return folding.acts(
        folding.nothing("interactions"), acts.astype({"rating": np.float32}).assign(interaction_type=types)
    )


def _frame(rows: list[dict[str, Any]] | None, example: dict[str, Any], ids: tuple[str, ...]) -> pd.DataFrame:
    columns = {}
    for name, value in example.items():
        cells = [row[name] for row in rows or []]
        kind: Any = object
        if isinstance(value, datetime):
            kind = "datetime64[us]"
        elif isinstance(value, float):
            kind = np.float64
        elif isinstance(value, int) or name in ids:
            kind = np.int64
        columns[name] = pd.Series(cells, dtype=kind)
    return pd.DataFrame(columns)
