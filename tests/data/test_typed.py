"""Cells of a source as typed columns."""

from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from data.tables import INTERACTIONS, TABLES
from data.typed import UNREADABLE, TypedColumns, ratings, retyped, times, whole_numbers, words

CELLS = st.none() | st.integers() | st.text(max_size=5) | st.floats() | st.binary(max_size=3) | st.booleans()


@given(st.lists(CELLS))
def test_no_cell_of_any_type_stops_a_conversion(cells: list[object]) -> None:
    assert len(whole_numbers(cells)) == len(ratings(cells)) == len(times(cells)) == len(words(cells)) == len(cells)


def test_null_and_unreadable_numbers_are_told_apart() -> None:
    assert whole_numbers([1, None, "many", 2**64]).tolist() == [1, pd.NA, UNREADABLE, UNREADABLE]


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_whole_numbers_keep_every_digit(number: int) -> None:
    assert whole_numbers([number, None])[0] == number


def test_dates_of_every_form_are_naive_utc() -> None:
    moment = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    forms = [
        moment,
        moment.astimezone(timezone(timedelta(hours=-5))),
        "2026-03-01 12:00:00",
        "2026-03-01T07:00:00-05:00",
    ]
    assert set(times(forms)) == {pd.Timestamp("2026-03-01 12:00")}
    assert times([int(moment.timestamp()) * 1_000_000])[0] == pd.Timestamp("2026-03-01 12:00")


def test_a_date_that_is_none_is_no_date() -> None:
    assert times(["0000-00-00 00:00:00", "2026-02-30", "soon", None, 5.5]).isna().all()


def test_chunks_give_the_same_frame_as_all_rows_at_once() -> None:
    rows = [
        (1, 2, 5, "2026-01-01", " Like"),
        (3, 4, None, None, None),
        (5, 6, 1.5, "x", "share"),
        (None, 1, 2, 3, "like"),
    ]
    whole, chunked = TypedColumns(INTERACTIONS), TypedColumns(INTERACTIONS)
    whole.add(rows)
    for row in rows:
        chunked.add([row])
    pd.testing.assert_frame_equal(whole.frame(), chunked.frame())


def test_a_table_without_rows_has_its_types() -> None:
    for spec in TABLES:
        frame = TypedColumns(spec).frame()
        pd.testing.assert_frame_equal(retyped(spec, frame), frame)
        assert list(frame.columns) == [column.name for column in spec.columns]
