"""Folding in parts, over any loads in which rows, videos and time come, gives what folding all at once gives."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from data.checks import clean
from data.compare import profile
from data.folding import FOLDS, nothing
from data.growth import Growth, Mark
from data.tables import TABLES, Tables
from data.typed import TypedColumns, retyped
from engine.build import build
from engine.config import EngineConfig
from tests.support.tables import NOW, raw_tables

Row = Mapping[str, Any]
IDS = st.sampled_from([1, 2**62])
DATES = st.sampled_from(
    [None, *(str((NOW + timedelta(hours=hours)).replace(tzinfo=None)) for hours in (-9, -3, 5, 30, 50))]
)
KINDS = st.sampled_from(["view", "like", None])
RATINGS = st.sampled_from([None, 0, 1, 4.5, 9, "good"])
ACTS = st.fixed_dictionaries(
    {"user_id": IDS | st.just(-1), "video_id": IDS | st.none(), "rating": RATINGS, "created_at": DATES}
    | {"interaction_type": KINDS}
)
FRIENDS = st.fixed_dictionaries(
    {"user_id": IDS, "connected_user_id": IDS | st.none(), "created_at": DATES}
    | {"status": st.sampled_from(["accepted", "pending", None])}
)


@st.composite
def loads(draw: st.DrawFn) -> list[tuple[datetime, Mapping[str, list[Row]]]]:
    """A few loads one after another: the moment, the videos there are then, and the new rows of what grows."""
    moment, made = NOW, []
    for _ in range(draw(st.integers(1, 4))):
        moment += timedelta(hours=draw(st.integers(0, 20)))
        videos = [{"id": n, "user_id": 1, "video": f"https://v/{n}"} for n in sorted(draw(st.sets(IDS, min_size=1)))]
        rows = {"interactions": draw(st.lists(ACTS, max_size=12)), "connections": draw(st.lists(FRIENDS, max_size=5))}
        made.append((moment, {"users": [{"id": 1, "name": "Ana"}], "videos": videos, **rows}))
    return made


def loaded(moment: datetime, rows: Mapping[str, Sequence[Row]], growth: Mapping[str, Growth]) -> Tables:
    """What a source that reads only new rows gives: rows set aside before are there again, first."""
    raw = raw_tables(moment, **rows)
    frames = {spec.name: retyped(spec, getattr(raw, spec.name)) for spec in TABLES}
    for spec in TABLES:
        if before := growth.get(spec.name):
            columns = TypedColumns(spec)
            for frame in (before.aside, frames[spec.name]):
                columns.add_columns([frame[name] for name in frame])
            frames[spec.name] = columns.frame()
    return replace(raw.with_frames(frames), growth=growth)


def at_the_start() -> dict[str, Growth]:
    """Nothing was read yet."""
    raw = raw_tables()
    typed = {spec.name: retyped(spec, getattr(raw, spec.name)) for spec in TABLES}
    return {name: Growth("", Mark(0, 0, 0), 0, NOW, None, nothing(name), typed[name]) for name in FOLDS}


def assert_same(one: Tables, other: Tables) -> None:
    """Equal clean tables (but for words that no row has), equal snapshots."""
    for spec in TABLES:
        left, right = (getattr(tables, spec.name) for tables in (one, other))
        pd.testing.assert_frame_equal(left, right, check_categorical=False)
    assert (one.quarantine, profile(one)) == (other.quarantine, profile(other))
    (arrays, details), (expected, expected_details) = (build(tables, EngineConfig()) for tables in (one, other))
    assert details == expected_details
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        assert arrays[name].tobytes() == array.tobytes(), name


@settings(max_examples=50, deadline=None)
@given(loads())
def test_loads_of_new_rows_give_what_one_load_of_all_rows_gives(
    made: list[tuple[datetime, Mapping[str, list[Row]]]],
) -> None:
    growth: Mapping[str, Growth] = at_the_start()
    read: dict[str, list[Row]] = {name: [] for name in FOLDS}
    for moment, rows in made:
        tables = clean(loaded(moment, rows, growth))
        growth = tables.growth
        read = {name: read[name] + rows[name] for name in FOLDS}
        assert_same(tables, clean(loaded(moment, {**rows, **read}, {})))


@settings(max_examples=100, deadline=None)
@given(st.lists(ACTS, min_size=10, max_size=40))
def test_of_acts_that_say_the_same_the_latest_stands_for_all(rows: list[Row]) -> None:
    acts = [row for row in rows if row["rating"] not in (9, "good") and row["user_id"] > 0 and row["video_id"]]
    videos = [{"id": number, "user_id": 1, "video": f"https://v/{number}"} for number in (1, 2**62)]
    later = NOW + timedelta(days=9)
    folded = clean(loaded(later, {"videos": videos, "interactions": acts}, {})).interactions
    expected: dict[tuple[Any, ...], list[tuple[str, int]]] = {}
    for order, act in enumerate(acts):
        said = act["user_id"], act["video_id"], act["interaction_type"], act["rating"] or None, bool(act["created_at"])
        expected.setdefault(said, []).append((act["created_at"] or "", order))
    sorted_by = sorted((said[:2], max(dates), said, len(dates)) for said, dates in expected.items())
    found = folded.astype(object).where(folded.notna(), None)
    assert found[["user_id", "video_id", "interaction_type", "rating", "rows"]].to_numpy().tolist() == [
        [*said[:4], rows] for _, _, said, rows in sorted_by
    ]
    dates = [None if np.isnat(date) else str(pd.Timestamp(date)) for date in folded["created_at"].to_numpy()]
    assert dates == [date or None for _, (date, _), _, _ in sorted_by]
