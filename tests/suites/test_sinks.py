"""What every sink promises, on SQLite and on a real MariaDB with a strict and a lax sql_mode."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.servers import Database
from tests.tracking.worlds import decision, event, uuid
from tracking.mysql_sink import MySQLSink
from tracking.sink import Sink
from tracking.sqlite_sink import SqliteSink


@pytest.fixture(params=["sqlite", "mariadb", "mariadb_lax"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sink]:
    if request.param == "sqlite":
        made: Sink = SqliteSink(tmp_path / "activity.sqlite")
    else:
        database: Database = request.getfixturevalue("database")
        mode = "SET SESSION sql_mode = ''" if request.param == "mariadb_lax" else None
        made = MySQLSink(lambda: database.connect(init_command=mode))
        made.create_tables()
    yield made
    made.close()


def test_activities_come_back_as_they_went_in(sink: Sink) -> None:
    full = event(
        1, "rating", rating=4.5, position=3, feed_type="AU", session_id="7:1", feed_id="f1",
        video_url="https://a/ñ.mp4", watch_seconds=1.25, duration_seconds=10.0,
    )  # fmt: skip
    bare = event(2, "hide", flow_id=9)
    assert sink.write_activities([full, bare]) == []
    assert [found for _, found in sink.activities_after(0, 10)] == [full, bare]


def test_an_event_written_twice_is_there_once(sink: Sink) -> None:
    sink.write_activities([event(1), event(2), event(1)])
    sink.write_activities([event(2), event(3)])
    assert [found.event_id for _, found in sink.activities_after(0, 10)] == [uuid(1), uuid(2), uuid(3)]


def test_a_decision_comes_back_bit_for_bit_and_once(sink: Sink) -> None:
    record = decision("f1", "VMP:1", "EXPLORE/NU:2", "FW:flow3")
    sink.write_decisions([record])
    sink.write_decisions([record])
    [(row, found)] = sink.decisions_of(["f1", "absent"], 1000)
    assert (found.shown, found.served_at, found.seed) == (record.shown, record.served_at, record.seed)
    assert np.array_equal(found.features, record.features)
    assert sink.feeds_after(0, 10) == [(row, "f1")]
    assert sink.decisions_of(["f1"], row - 1) == []


@pytest.mark.parametrize(
    "change",
    [{"session_id": "x" * 65}, {"position": 2**40}, {"event_id": "é" * 5}, {"rating": "many"}, {"feed_id": "x" * 65}],
    ids=str,
)
def test_a_refused_row_comes_back_with_its_reason_and_the_others_get_in(sink: Sink, change: dict[str, Any]) -> None:
    if isinstance(sink, SqliteSink) and "event_id" in change:
        change = {"event_id": "x" * 65}
    events = [event(n) for n in range(1, 8)]
    events[4] = replace(events[4], **change)
    [refusal] = sink.write_activities(events)
    assert refusal.index == 4
    assert refusal.reason
    assert [found.event_id for _, found in sink.activities_after(0, 10)] == [uuid(n) for n in (1, 2, 3, 4, 6, 7)]


def test_reads_go_on_from_a_row_and_stop_at_a_limit(sink: Sink) -> None:
    sink.write_activities([event(n, feed_id=f"f{n % 2}") for n in range(1, 6)])
    first = sink.activities_after(0, 2)
    rest = sink.activities_after(first[-1][0], 10)
    assert [found.event_id for _, found in first + rest] == [uuid(n) for n in range(1, 6)]
    assert [found.event_id for _, found in sink.activities_of(["f1"], rest[-1][0])] == [uuid(1), uuid(3), uuid(5)]
    assert [found.event_id for _, found in sink.activities_of(["f1"], first[-1][0])] == [uuid(1)]


def test_many_writers_of_the_same_events_leave_each_once(sink: Sink) -> None:
    events = [event(n) for n in range(300)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(sink.write_activities, [events] * 4)) == [[]] * 4
    assert len(sink.activities_after(0, 1000)) == 300


def test_creating_tables_again_changes_nothing(sink: Sink) -> None:
    sink.write_activities([event(1)])
    sink.create_tables()
    assert len(sink.activities_after(0, 10)) == 1
