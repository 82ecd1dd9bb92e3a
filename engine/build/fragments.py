"""Ready-made JSON of items: what an answer says of a video or a flow that does not depend on the request."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray


def texts(column: pd.Series) -> list[str | None]:
    """A text column as a list, None where there is no text."""
    return [value if isinstance(value, str) else None for value in column.tolist()]


def instants(column: pd.Series) -> list[str | None]:
    """A column of naive UTC dates as ISO 8601 texts with a Z, None where there is no date.

    >>> instants(pd.Series(pd.to_datetime(["2026-01-02 03:04:05", None])))
    ['2026-01-02T03:04:05Z', None]
    """
    values = column.to_numpy(dtype="datetime64[s]")
    return [None if text == "NaT" else f"{text}Z" for text in np.datetime_as_string(values).tolist()]


def video_fragments(videos: pd.DataFrame) -> list[bytes]:
    """One fragment a video: JSON members without braces."""
    ratings = [None if np.isnan(value) else round(value, 4) for value in videos["avg_rating"].tolist()]
    return _fragments(
        {
            "type": ["video"] * len(videos),
            "id": videos["id"].tolist(),
            "creator_id": videos["user_id"].tolist(),
            "creator_name": texts(videos["creator_name"]),
            "name": [None] * len(videos),
            "video_url": texts(videos["video"]),
            "description": texts(videos["description"]),
            "skills": videos["video_skills"].tolist(),
            "city": texts(videos["city"]),
            "country": texts(videos["creator_country"]),
            "created_at": instants(videos["created_at"]),
            "views": videos["views"].tolist(),
            "avg_rating": ratings,
            "rating_count": videos["rating_count"].tolist(),
            "like_count": videos["like_count"].tolist(),
        }
    )


def flow_fragments(flows: pd.DataFrame) -> list[bytes]:
    """One fragment a flow: the members of a video's, null, empty or 0 where a flow has no such thing."""
    count = len(flows)
    return _fragments(
        {
            "type": ["flow"] * count,
            "id": flows["id"].tolist(),
            "creator_id": flows["user_id"].tolist(),
            "creator_name": texts(flows["creator_name"]),
            "name": texts(flows["name"]),
            "video_url": texts(flows["video"]),
            "description": texts(flows["description"]),
            "skills": [[]] * count,
            "city": texts(flows["city"]),
            "country": texts(flows["creator_country"]),
            "created_at": instants(flows["created_at"]),
            "views": [0] * count,
            "avg_rating": [None] * count,
            "rating_count": [0] * count,
            "like_count": [0] * count,
        }
    )


def joined(parts: Iterable[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The parts in one array of bytes, and where each starts (one more start than parts).

    >>> blob, start = joined([b"ab", b"", b"c"])
    >>> bytes(blob), start.tolist()
    (b'abc', [0, 2, 2, 3])
    """
    pieces = list(parts)
    start = np.zeros(len(pieces) + 1, dtype=np.int64)
    np.cumsum([len(piece) for piece in pieces], out=start[1:])
    return np.frombuffer(b"".join(pieces), dtype=np.uint8), start


def _fragments(members: dict[str, Sequence[Any]]) -> list[bytes]:
    names = tuple(members)
    return [orjson.dumps(dict(zip(names, values, strict=True)))[1:-1] for values in zip(*members.values(), strict=True)]
