"""Rows of the seeded catalogue that cannot be used, or only in part: one or more of each kind that real tables hold."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

GarbageRow = dict[str, Any]
_URL = "https://videos.example.test/garbage.mp4"


def garbage(today: datetime) -> Mapping[str, Sequence[GarbageRow]]:
    """Table -> rows. Columns that a row does not name are NULL."""
    future = str(today + timedelta(days=400))
    return {"users": _USERS, "videos": _videos(future), "flows": _flows(future)} | {
        "interactions": _interactions(future),
        "connections": _CONNECTIONS,
    }


_USERS: Sequence[GarbageRow] = (
    {"id": None, "name": "Nobody"},
    {"id": 1, "name": "Second of one id"},
    {"id": "abc", "name": "No number"},
    {
        "id": 2001,
        "name": "  \u0000 Broken\u0007   Lists ",
        "city": "  BOGOTA ",
        "country": "colombia",
        "skills": '["Salsa", ',
    },
    {"id": 2002, "name": "", "skills": "{]", "languages": "null", "tools": "?!", "knowledge": "[1, null, {}]"},
    {"id": 2003, "name": "Only nulls"},
    {"id": 2004, "name": "Zero date", "created_at": "0000-00-00 00:00:00", "skills": "salsa, SALSA ,  Sálsa, guitar"},
)


def _videos(future: str) -> Sequence[GarbageRow]:
    good: GarbageRow = {"user_id": 1, "video": _URL, "views": 3, "exhibited_count": 1, "video_skills": '["Salsa"]'}
    return (
        good | {"id": None},
        good | {"id": 1},
        good | {"id": 5001, "user_id": None},
        good | {"id": 5002, "video": None},
        good | {"id": 5003, "video": "   "},
        good | {"id": 5004, "views": "many"},
        good | {"id": 5005, "views": -4},
        good | {"id": 5006, "exhibited_count": -1},
        good | {"id": 5007, "created_at": future},
        good | {"id": 5008, "created_at": "0000-00-00 00:00:00"},  # kept, but never fresh
        good | {"id": 5009, "created_at": "last week", "user_id": 999_999},  # kept, creator unknown
        good | {"id": 5010, "views": None, "exhibited_count": None, "video_skills": '"[\\"Guitar\\"'},  # kept
    )


def _interactions(future: str) -> Sequence[GarbageRow]:
    good: GarbageRow = {"user_id": 2, "video_id": 3, "created_at": "2020-01-01 00:00:00", "interaction_type": "like"}
    return (
        good | {"user_id": None},
        good | {"video_id": None},
        good | {"video_id": 888_888},
        good | {"rating": 9},
        good | {"rating": "great"},
        good | {"created_at": future},
        good | {"user_id": 999_999},  # kept: a viewer who is gone
        good | {"created_at": None, "interaction_type": " LIKE "},  # kept
    )


_CONNECTIONS: Sequence[GarbageRow] = (
    {"user_id": None, "connected_user_id": 5, "status": "accepted"},
    {"user_id": 5, "connected_user_id": None, "status": "accepted"},
    {"user_id": 5, "connected_user_id": 5, "status": "accepted"},
    {"user_id": 6, "connected_user_id": 7, "status": " Accepted"},
    {"user_id": 7, "connected_user_id": 6, "status": "accepted"},
    {"user_id": 8, "connected_user_id": 9, "status": None},
)


def _flows(future: str) -> Sequence[GarbageRow]:
    good: GarbageRow = {"user_id": 1, "video": _URL, "name": "Garbage"}
    return (
        good | {"id": None},
        good | {"id": 1},
        good | {"id": 81, "user_id": None},
        good | {"id": 82, "video": ""},
        good | {"id": 83, "created_at": future},
    )
