"""What is left out, what is kept, and what is joined."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.checks import clean
from data.tables import Tables
from tests.support.tables import NOW, raw_tables

USER = {"id": 1, "name": "Ana", "city": "Bogotá", "country": "Colombia"}
VIDEO = {"id": 5, "user_id": 1, "video": "https://v/5", "views": 3}
FLOW = {"id": 1, "user_id": 1, "video": "https://f/1"}
ACT = {"user_id": 2, "video_id": 5, "interaction_type": "video_view"}
FRIENDS = {"user_id": 1, "connected_user_id": 2, "status": "accepted"}
GOOD = {"users": USER, "videos": VIDEO, "flows": FLOW, "interactions": ACT, "connections": FRIENDS}
FUTURE = str((NOW + timedelta(days=2)).replace(tzinfo=None))


def world(**extra: list[Mapping[str, Any]]) -> Tables:
    """One good row in each table, and the extra ones after it."""
    return clean(raw_tables(**{table: [row, *extra.get(table, [])] for table, row in GOOD.items()}))


@pytest.mark.parametrize(
    ("table", "reason", "change"),
    [
        ("users", "no_id", {"id": None}),
        ("users", "bad_id", {"id": "abc"}),
        ("users", "bad_id", {"id": -3}),
        ("users", "duplicate_id", {"id": 1}),
        ("videos", "no_id", {"id": None}),
        ("videos", "duplicate_id", {"id": 5}),
        ("videos", "no_creator", {"id": 6, "user_id": None}),
        ("videos", "bad_creator", {"id": 6, "user_id": 2**70}),
        ("videos", "no_url", {"id": 6, "video": " \t"}),
        ("videos", "unreadable_views", {"id": 6, "views": "many"}),
        ("videos", "negative_views", {"id": 6, "views": -1}),
        ("videos", "unreadable_exhibited_count", {"id": 6, "exhibited_count": "x"}),
        ("videos", "negative_exhibited_count", {"id": 6, "exhibited_count": -1}),
        ("videos", "future_created_at", {"id": 6, "created_at": FUTURE}),
        ("flows", "no_id", {"id": None}),
        ("flows", "duplicate_id", {"id": 1}),
        ("flows", "no_creator", {"id": 2, "user_id": None}),
        ("flows", "no_url", {"id": 2, "video": None}),
        ("flows", "future_created_at", {"id": 2, "created_at": FUTURE}),
        ("interactions", "no_user", {"user_id": None}),
        ("interactions", "no_video", {"video_id": None}),
        ("interactions", "unknown_video", {"video_id": 77}),
        ("interactions", "unreadable_rating", {"rating": "great"}),
        ("interactions", "rating_out_of_range", {"rating": 6}),
        ("interactions", "future_created_at", {"created_at": FUTURE}),
        ("connections", "no_user", {"user_id": None}),
        ("connections", "no_connected_user", {"connected_user_id": None}),
        ("connections", "self_connection", {"connected_user_id": 1}),
    ],
)
def test_a_row_that_cannot_be_used_is_left_out_and_counted_by_its_reason(
    table: str, reason: str, change: Mapping[str, Any]
) -> None:
    bad = {**GOOD[table], **change}
    cleaned = world(**{table: [bad, bad]})
    assert cleaned.quarantine == {table: {reason: 2}}
    assert len(getattr(cleaned, table)) == 1


def test_each_reason_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        world(videos=[{**VIDEO, "id": 6, "views": -1}] * 3)
    expected = "rows left out: table=videos reason=negative_views rows=3"
    assert [record.getMessage() for record in caplog.records] == [expected]


def test_a_reason_is_logged_again_only_when_its_rows_changed(caplog: pytest.LogCaptureFixture) -> None:
    raw = raw_tables(videos=[{**VIDEO, "id": 6, "views": -1}, {**VIDEO, "id": 7, "video": ""}])
    before = clean(raw).quarantine
    caplog.clear()
    clean(raw, before)
    assert caplog.records == []
    clean(raw, {"videos": {**before["videos"], "no_url": 9}})
    assert [record.getMessage() for record in caplog.records] == ["rows left out: table=videos reason=no_url rows=1"]


def test_a_bad_row_does_not_stand_in_the_way_of_a_good_one_with_its_id() -> None:
    cleaned = world(videos=[{**VIDEO, "id": 6, "views": -1}, {**VIDEO, "id": 6, "views": 8}])
    assert cleaned.videos["views"].tolist() == [3, 8]


def test_what_is_only_incomplete_is_kept() -> None:
    bare = {"id": 6, "user_id": 999, "video": "https://v/6"}
    cleaned = world(videos=[bare], users=[{"id": 9}], interactions=[{"user_id": 888, "video_id": 6, "rating": 0}])
    video = cleaned.videos.iloc[1]
    assert cleaned.quarantine == {}
    assert (video.views, video.exhibited_count, video.rating_count, video.video_skills) == (0, 0, 0, [])
    assert pd.isna(video.created_at)
    assert video.creator_name is video.city is None
    assert np.isnan(video.avg_rating)


def test_creator_columns_come_from_the_creator() -> None:
    cleaned = world(
        users=[{"id": 2, "name": " Luis ", "city": "Lima", "country": "Perú"}],
        videos=[{**VIDEO, "id": 6, "user_id": 2}],
    )
    columns = ["creator_name", "creator_city", "creator_country", "city"]
    assert cleaned.videos[columns].to_numpy().tolist() == [
        ["Ana", "Bogotá", "Colombia", "Bogotá"],
        ["Luis", "Lima", "Perú", "Lima"],
    ]
    assert cleaned.flows[columns].to_numpy().tolist() == [["Ana", "Bogotá", "Colombia", "Bogotá"]]


def test_only_the_latest_rating_of_a_viewer_counts() -> None:
    old, new = {"created_at": "2026-01-01"}, {"created_at": "2026-02-01"}
    acts = [
        {**ACT, "rating": 5, **new},
        {**ACT, "rating": 1, **old},
        {**ACT, "rating": 2},
        {**ACT, "user_id": 3, "rating": 4},
    ]
    video = world(interactions=acts).videos.iloc[0]
    assert (video.avg_rating, video.rating_count) == (4.5, 2)


def test_likes_and_reports_count_different_viewers() -> None:
    likes = [
        {**ACT, "user_id": user, "interaction_type": kind} for user in (2, 3) for kind in ("like", " LIKE", "liked")
    ]
    reports = [{**ACT, "user_id": user, "interaction_type": "report_broken"} for user in (4, 4, 5, 6)]
    video = world(interactions=likes + reports).videos.iloc[0]
    assert (video.like_count, video.broken_reports) == (2, 3)


def test_connections_count_once_whatever_their_direction_and_only_when_accepted() -> None:
    others = [
        {"user_id": 2, "connected_user_id": 1, "status": "ACCEPTED"},
        {"user_id": 3, "connected_user_id": 1, "status": "accepted"},
        {"user_id": 1, "connected_user_id": 4, "status": "pending"},
        {"user_id": 1, "connected_user_id": 5},
    ]
    cleaned = world(connections=others)
    assert cleaned.connections.to_numpy().tolist() == [[1, 2], [1, 3]]
    assert cleaned.videos.connection_count.tolist() == [2]


def test_empty_tables_have_the_columns_and_types_of_full_ones() -> None:
    empty, full = clean(raw_tables()), world()
    for table in GOOD:
        got, expected = getattr(empty, table).dtypes, getattr(full, table).dtypes
        assert got.drop("interaction_type", errors="ignore").equals(expected.drop("interaction_type", errors="ignore"))


CELL = (
    st.none() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from([1, 2, 5, "accepted", FUTURE, "[]"])
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rows_in_are_rows_out_plus_rows_left_out_whatever_the_cells(data: st.DataObject) -> None:
    rows = {
        table: data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(row, CELL)), max_size=6), label=table)
        for table, row in GOOD.items()
    }
    cleaned = clean(raw_tables(**rows))
    for table in ("users", "videos", "flows", "interactions"):
        left_out = sum(cleaned.quarantine.get(table, {}).values())
        assert cleaned.rows(table) + left_out == len(rows[table])
    assert cleaned.videos["id"].is_unique
    assert (cleaned.videos[["id", "user_id", "views", "exhibited_count"]] >= 0).all(axis=None)
    assert cleaned.videos["avg_rating"].dropna().between(1, 5).all()
