"""What may follow a snapshot, and what is refused beside it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from data.checks import clean
from data.compare import Limits, compare, profile
from data.sources.base import LoadError
from data.tables import Tables
from tests.support.tables import NOW, raw_tables

Rows = dict[str, list[dict[str, Any]]]


def rows(count: int = 100) -> Rows:
    """Healthy tables of so many rows each."""
    made = [str((NOW - timedelta(days=number % 50)).replace(tzinfo=None)) for number in range(count)]
    videos = [
        {"id": n, "user_id": 1, "video": f"https://v/{n}", "views": 50, "video_skills": "Salsa", "created_at": made[n]}
        for n in range(count)
    ]
    acts = [{"user_id": 1, "video_id": n, "rating": 4, "created_at": made[n]} for n in range(count)]
    return {"users": [{"id": n, "name": "Ana"} for n in range(count)], "videos": videos, "interactions": acts}


def tables(made: Rows) -> Tables:
    return clean(raw_tables(**made))


BEFORE = profile(tables(rows()))


def changed(table: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Rows:
    return rows() | {table: [change(row) for row in rows()[table]]}


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            rows() | {"interactions": rows()["interactions"][:9]},
            r"table interactions: 9 usable rows instead of 100, 91% fewer \(MAX_ROW_DROP 0\.5\)",
        ),
        (rows() | {"interactions": []}, r"table interactions: 0 usable rows instead of 100, 100% fewer"),
        (
            rows() | {"users": rows()["users"] + [{"id": 1}] * 60},
            r"table users: 38% of its rows cannot be used, 0% before \(MAX_QUARANTINE_RISE 0\.25\)",
        ),
        (
            changed("videos", lambda row: row | {"video_skills": None}),
            r"table videos: column video_skills: 100% empty, 0% before \(MAX_EMPTY_RISE 0\.5\)",
        ),
        (
            changed("videos", lambda row: row | {"views": 5_000_000}),
            r"table videos: column views: mean 5e\+06, 50 before \(MAX_MEAN_CHANGE 10\)",
        ),
        (
            changed("interactions", lambda row: row | {"created_at": "2020-01-01"}),
            r"table interactions: column created_at: newest 2020-01-01T00:00:00, .* before \(MAX_DAYS_BACK 7\)",
        ),
    ],
)
def test_a_load_that_differs_too_much_is_refused_with_table_check_and_numbers(made: Rows, words: str) -> None:
    with pytest.raises(LoadError, match=words):
        compare(tables(made), BEFORE, Limits())


def test_what_grows_or_changes_a_little_passes() -> None:
    now = compare(tables(rows(180)), BEFORE, Limits())
    assert now["videos"]["rows"] == 180
    assert compare(tables(rows(60)), BEFORE, Limits())["users"]["rows"] == 60


def test_a_limit_of_one_lets_rows_go() -> None:
    few = tables(rows() | {"interactions": []})
    assert compare(few, BEFORE, replace(Limits(), row_drop=1.0))["interactions"]["rows"] == 0


def test_every_problem_is_named_at_once() -> None:
    made = rows() | {"interactions": [], "users": rows()["users"][:20]}
    with pytest.raises(LoadError, match=r"table users: .*; table interactions: "):
        compare(tables(made), BEFORE, Limits())


def test_the_first_load_is_compared_with_nothing_but_has_to_have_rows() -> None:
    assert compare(tables(rows()), None, Limits()) == BEFORE
    unusable = rows() | {"videos": [{"id": None}] * 7}
    with pytest.raises(LoadError, match="table videos: none of its 7 rows can be used"):
        compare(tables(unusable), None, Limits())


def test_the_newest_video_may_be_taken_away() -> None:
    made = changed("videos", lambda row: row | {"created_at": "2020-01-01"})
    assert compare(tables(made), BEFORE, Limits())["videos"]["rows"] == 100


def test_a_handful_of_rows_may_go() -> None:
    before = profile(tables(rows(10)))
    assert compare(tables(rows(2)), before, Limits())["videos"]["rows"] == 2
