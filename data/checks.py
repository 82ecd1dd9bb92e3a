"""Raw tables made usable: a row that cannot be used is left out and counted by its reason, the rest goes on.

The reasons are listed in `_BAD`, in the order in which a row is asked; it counts for the first one that holds.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.folding import FOLDS, nothing
from data.growth import Growth
from data.join import joined
from data.normalise import parse_list, tidy
from data.tables import TABLES, Kind, Tables, TableSpec
from data.typed import UNREADABLE, retyped

logger = logging.getLogger(__name__)

ACCEPTED = "accepted"
CLOCK_SLACK = timedelta(days=1)
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Around:
    """What a check may look at beside its own table."""

    as_of: np.datetime64
    latest: np.datetime64
    videos: "pd.Index[int]"

    @classmethod
    def at(cls, moment: datetime) -> "_Around":
        """At an aware moment; no video is known yet."""
        utc = moment.astimezone(UTC).replace(tzinfo=None)
        as_of, latest = (np.datetime64(time, "us") for time in (utc, utc + CLOCK_SLACK))
        return cls(as_of, latest, pd.Index([], dtype=np.int64))


Check = Callable[[pd.DataFrame, _Around], Mask]


def _values(frame: pd.DataFrame, column: str) -> NDArray[np.int64]:
    """A nullable column as int64; NULL is 0, so ask `_null` first."""
    return frame[column].to_numpy(dtype=np.int64, na_value=0)


def _null(column: str) -> Check:
    return lambda frame, _: frame[column].isna().to_numpy(dtype=bool)


def _unreadable(column: str) -> Check:
    return lambda frame, _: _values(frame, column) == UNREADABLE


def _negative(column: str) -> Check:
    return lambda frame, _: _values(frame, column) < 0


def _repeated(frame: pd.DataFrame, _: _Around) -> Mask:
    return frame["id"].duplicated().to_numpy(dtype=bool)


def _no_url(frame: pd.DataFrame, _: _Around) -> Mask:
    return np.array([tidy(cell) is None for cell in frame["video"].tolist()], dtype=bool)


def _future(frame: pd.DataFrame, around: _Around) -> Mask:
    return np.asarray(frame["created_at"].to_numpy() > around.latest, dtype=bool)


def _rating_unreadable(frame: pd.DataFrame, _: _Around) -> Mask:
    return np.asarray(np.isinf(frame["rating"].to_numpy(dtype=np.float32)), dtype=bool)


def _rating_out_of_range(frame: pd.DataFrame, _: _Around) -> Mask:
    rating = frame["rating"].to_numpy(dtype=np.float32)
    return np.asarray((rating != 0) & ((rating < 1) | (rating > 5)), dtype=bool)  # 0 says: not rated


def _unknown_video(frame: pd.DataFrame, around: _Around) -> Mask:
    return np.asarray(around.videos.get_indexer(pd.Index(_values(frame, "video_id"))) < 0, dtype=bool)


def _self(frame: pd.DataFrame, _: _Around) -> Mask:
    return np.asarray(_values(frame, "user_id") == _values(frame, "connected_user_id"), dtype=bool)


def _identifier(column: str, name: str) -> dict[str, Check]:
    return {f"no_{name}": _null(column), f"bad_{name}": _negative(column)}


def _count(column: str) -> dict[str, Check]:
    return {f"unreadable_{column}": _unreadable(column), f"negative_{column}": _negative(column)}


_KEY = _identifier("id", "id")
_ONCE: dict[str, Check] = {"duplicate_id": _repeated}  # asked last: a bad row does not stand in a good one's way
_BAD: Mapping[str, Mapping[str, Check]] = {
    "users": {**_KEY, **_ONCE},
    "videos": {
        **_KEY,
        **_identifier("user_id", "creator"),
        "no_url": _no_url,
        **_count("views"),
        **_count("exhibited_count"),
        "future_created_at": _future,
        **_ONCE,
    },
    "flows": {
        **_KEY,
        **_identifier("user_id", "creator"),
        "no_url": _no_url,
        "future_created_at": _future,
        **_ONCE,
    },
    "interactions": {
        **_identifier("user_id", "user"),
        **_identifier("video_id", "video"),
        "unknown_video": _unknown_video,
        "unreadable_rating": _rating_unreadable,
        "rating_out_of_range": _rating_out_of_range,
        "future_created_at": _future,
    },
    "connections": {
        **_identifier("user_id", "user"),
        **_identifier("connected_user_id", "connected_user"),
        "self_connection": _self,
    },
}


def clean(raw: Tables, before: Mapping[str, Mapping[str, int]] | None = None) -> Tables:
    """Tables that the engine can use without looking again: normalised, bad rows left out, creators and sums joined.

    Ids and counts are int64, lists are lists of distinct display names, texts are trimmed or None, ratings float32 with
    NaN for none, dates naive UTC with NaT for none. Creators that are no user keep their videos, users that are unknown
    keep their interactions. Interactions and connections are folded (`data.folding`) with those of earlier loads.
    `quarantine` of the result counts the rows left out; each reason is logged once, and not at all when its rows are as
    many as in `before`, the last load's.
    """
    around = _Around.at(raw.as_of)
    frames: dict[str, pd.DataFrame] = {}
    growth = dict(raw.growth)
    quarantine = {table: dict(reasons) for table, reasons in raw.quarantine.items()}
    for spec in TABLES:
        frame = retyped(spec, getattr(raw, spec.name))
        if spec.name in FOLDS:
            frames[spec.name], reasons, grown = _grown(spec, frame, raw.growth.get(spec.name), around)
            growth |= {spec.name: grown} if grown else {}
        else:
            usable, reasons = _sieve(frame, _BAD[spec.name], around)
            frames[spec.name] = _plain(spec, usable)
        if spec.name == "videos":
            around = replace(around, videos=pd.Index(frames["videos"]["id"]))
        if reasons:
            quarantine[spec.name] = quarantine.get(spec.name, {}) | reasons
    _log(quarantine, before or {})
    return replace(joined(raw.with_frames(frames)), quarantine=quarantine, growth=growth)


def _log(quarantine: Mapping[str, Mapping[str, int]], before: Mapping[str, Mapping[str, int]]) -> None:
    for table, counts in quarantine.items():
        for reason, rows in counts.items():
            if rows != before.get(table, {}).get(reason):
                logger.warning("rows left out: table=%s reason=%s rows=%d", table, reason, rows)


def _grown(
    spec: TableSpec, frame: pd.DataFrame, before: Growth | None, around: _Around
) -> tuple[pd.DataFrame, dict[str, int], Growth | None]:
    """A folded table, how many rows each check refused, and what the next load may start from.

    What may count otherwise then is set aside for it: rows that a check refused (a video may come, the future does) and
    all dated after `as_of`. The folded rows need no other check again than whether their videos are still there.
    """
    late = np.asarray(frame["created_at"].to_numpy() > around.as_of, dtype=bool)
    asked = (frame["status"] == ACCEPTED).to_numpy(dtype=bool) if "status" in frame else np.ones(len(frame), dtype=bool)
    found, reasons = _sieve(frame[asked], _BAD[spec.name], around)
    usable = np.zeros(len(frame), dtype=bool)
    usable[found.index] = True
    fold = FOLDS[spec.name]
    folded = fold(before.folded if before else nothing(spec.name), _plain(spec, frame[usable & ~late]))
    whole = fold(folded, _plain(spec, frame[usable & late]))
    if "video_id" in whole and (gone := around.videos.get_indexer(pd.Index(whole["video_id"])) < 0).any():
        reasons["unknown_video"] = reasons.get("unknown_video", 0) + int(whole["rows"].to_numpy()[gone].sum())
        whole = whole[~gone].reset_index(drop=True)
    if before:
        before = replace(before, folded=folded, aside=frame[(asked & ~usable) | late].reset_index(drop=True))
    return whole, reasons, before


def _sieve(frame: pd.DataFrame, checks: Mapping[str, Check], around: _Around) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows that no check refuses, and how many each refused."""
    reasons: dict[str, int] = {}
    for reason, check in checks.items():
        bad = check(frame, around)
        if rows := int(bad.sum()):
            reasons[reason] = rows
            frame = frame[~bad]
    return frame, reasons


def _plain(spec: TableSpec, frame: pd.DataFrame) -> pd.DataFrame:
    """Normalised cells in plain numpy columns, rows counted from 0."""
    columns: dict[str, Any] = {}
    for column in spec.columns:
        cells = frame[column.name]
        if column.kind in (Kind.ID, Kind.COUNT):
            columns[column.name] = cells.to_numpy(dtype=np.int64, na_value=0)
        elif column.kind is Kind.TEXT:
            columns[column.name] = pd.Series([tidy(cell) for cell in cells.tolist()], dtype=object)
        elif column.kind is Kind.LIST:
            columns[column.name] = pd.Series([parse_list(cell) for cell in cells.tolist()], dtype=object)
        elif column.kind is Kind.RATING:
            rating = cells.to_numpy(dtype=np.float32)
            columns[column.name] = np.where(rating == 0, np.float32(np.nan), rating)
        else:
            columns[column.name] = cells.array
    return pd.DataFrame(columns, copy=False)
