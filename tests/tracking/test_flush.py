"""The flusher, with a crash between any two of its steps."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tracking.worlds import decision, event, uuid
from tracking.buffer import Buffer, Kind, Record
from tracking.dead_letters import DeadLetter, DeadLetters
from tracking.flush import Flusher, retry
from tracking.redis_buffer import RedisBuffer
from tracking.redis_client import RedisConfig
from tracking.sink import SinkUnavailableError
from tracking.spool import Spool
from tracking.sqlite_sink import SqliteSink

STEPS = ("take", "write_decisions", "write_activities", "add", "acknowledge")
Make = Callable[[], Buffer]


class CrashError(Exception):
    """The process is gone."""


class Faulty:
    """Stands in front of an object and crashes before or after one of its methods, once the countdown is over."""

    def __init__(self, real: Any, countdown: list[int]) -> None:
        self._real, self._countdown = real, countdown

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return self._crashing(found) if name in STEPS else found

    def _crashing(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            self._tick()
            result = method(*arguments)
            self._tick()
            return result

        return called

    def _tick(self) -> None:
        self._countdown[0] -= 1
        if self._countdown[0] == 0:
            raise CrashError


class Away(SqliteSink):
    """A sink whose database does not answer."""

    def write_decisions(self, decisions: object) -> Any:
        raise SinkUnavailableError("no route to the database")


@pytest.fixture(params=["spool", "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    def redis() -> Buffer:
        server = request.getfixturevalue("redis_server")
        return RedisBuffer(RedisConfig(host=server.host, port=server.port, timeout=5.0), lease_seconds=0.0)

    return {"spool": lambda: Spool(tmp_path / "spool", segment_bytes=1000), "redis": redis}[request.param]


def push(buffer: Buffer, *records: Record) -> None:
    async def pushed() -> None:
        await buffer.push(records)
        await buffer.close()

    asyncio.run(pushed())


def flusher(buffer: Any, folder: Path, **options: Any) -> Flusher:
    return Flusher([buffer], SqliteSink(folder / "log.sqlite"), DeadLetters(folder / "dead.jsonl"), **options)


def stored(folder: Path) -> Counter[str]:
    sink = SqliteSink(folder / "log.sqlite")
    feeds = [feed_id for _, feed_id in sink.feeds_after(0, 10_000)]
    return Counter([found.event_id for _, found in sink.activities_after(0, 10_000)] + feeds)


def load(make: Make, count: int) -> Counter[str]:
    """Push events, one of them refused by the sink, and a decision; what should be stored in the end."""
    events = [event(n, user_id=n % 3 + 1) for n in range(count)]
    bad = replace(event(count), session_id="x" * 65)
    push(make(), *map(Record.of_event, [*events, bad]), Record.of_decision(decision("f1", "AU:1")))
    return Counter([found.event_id for found in events] + ["f1"])


def crash_everywhere(make: Make, folder: Path, kind: type[Faulty] = Faulty) -> int:
    """Crash a flush at its first step, then at its second, ... and check each time that another ends it well."""
    crashes, step = 0, 0
    while crashes == step:
        step += 1
        place = folder / str(step)
        expected, countdown = load(make, 9), [step]
        sink, letters = SqliteSink(place / "log.sqlite"), DeadLetters(place / "dead.jsonl")
        parts: list[Any] = [Faulty(sink, countdown), Faulty(letters, countdown)]
        try:
            buffers: list[Any] = [kind(make(), countdown)]
            Flusher(buffers, *parts).flush()
        except CrashError:
            crashes += 1
        for _ in range(2):
            flusher(make(), place).flush()
        assert stored(place) == expected, f"crash at step {step}"
        assert [letter.id for letter in letters.letters()] == [uuid(9)]
        assert make().waiting().records == 0
        clear_recent(make())
    return crashes


def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(make: Make, tmp_path: Path) -> None:
    assert crash_everywhere(make, tmp_path) >= 2 * len(STEPS)


def test_a_buffer_that_deletes_before_the_insert_would_be_found_out(make: Make, tmp_path: Path) -> None:
    class Hasty(Faulty):
        def take(self, limit: int) -> Any:
            batch = self.__getattr__("take")(limit)
            if batch:
                self._real.acknowledge(batch)
            return batch

    with pytest.raises(AssertionError, match="crash at step"):
        crash_everywhere(make, tmp_path, Hasty)


def clear_recent(buffer: Buffer) -> None:
    """Let the same ids be pushed again."""
    if isinstance(buffer, RedisBuffer):
        buffer._patient.flushall()


def test_four_flushers_at_once_store_everything_once(make: Make, tmp_path: Path) -> None:
    records = [Record.of_event(event(n, user_id=n % 50 + 1)) for n in range(1500)]
    for start in range(0, 1500, 100):
        push(make(), *records[start : start + 100])
    with ThreadPoolExecutor(4) as threads:
        reports = list(threads.map(lambda _: flusher(make(), tmp_path).flush(), range(4)))
    assert not [problem for report in reports for problem in report.problems]
    flusher(make(), tmp_path).flush()
    assert stored(tmp_path) == Counter(record.id for record in records)


def test_while_the_sink_is_away_everything_waits(make: Make, tmp_path: Path) -> None:
    expected = load(make, 5)
    away = Flusher([make()], Away(tmp_path / "away.sqlite"), DeadLetters(tmp_path / "dead.jsonl"))
    report = away.flush()
    assert report.problems == ["no route to the database"]
    assert make().waiting().records == 7
    flusher(make(), tmp_path).flush()
    assert stored(tmp_path) == expected


def test_a_flush_is_due_by_count_or_by_age_and_not_during_the_pause(make: Make, tmp_path: Path) -> None:
    clock = [0.0]
    assert not flusher(make(), tmp_path, count=3, seconds=900.0).due()
    push(make(), Record.of_event(event(1)), Record.of_event(event(2)))
    assert not flusher(make(), tmp_path, count=3, seconds=900.0).due()
    assert flusher(make(), tmp_path, count=2, seconds=900.0).due()
    assert flusher(make(), tmp_path, count=3, seconds=0.0).due()
    away = Flusher(
        [make()], Away(tmp_path / "away.sqlite"), DeadLetters(tmp_path / "dead"), count=1, clock=lambda: clock[0]
    )
    away.flush()
    assert not away.due()
    clock[0] = 60.0
    assert away.due()


def test_a_buffer_that_does_not_answer_holds_nobody_back_and_is_asked_less_often(tmp_path: Path) -> None:
    clock = [0.0]
    gone, spool = RedisBuffer(RedisConfig(host="127.0.0.1", port=1)), Spool(tmp_path / "spool")
    push(spool, Record.of_event(event(1)))
    sink, letters = SqliteSink(tmp_path / "log.sqlite"), DeadLetters(tmp_path / "dead")
    lame = Flusher([gone, spool], sink, letters, clock=lambda: clock[0])
    report = lame.flush()
    assert (report.written, len(report.problems)) == (1, 1)
    assert lame.resting
    clock[0] = 1.0
    assert not lame.resting
    lame.flush()
    clock[0] = 2.0
    assert lame.resting


def test_a_letter_is_kept_once_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "dead.jsonl")
    one = DeadLetter("activity", "1", "too long", "{}")
    letters.add([one])
    with (tmp_path / "dead.jsonl").open("ab") as file:
        file.write(b'{"kind": "act')
    letters.add([one])
    letters.add([replace(one, body="[]")])
    assert letters.letters() == [one, replace(one, body="[]")]


def test_a_retried_letter_leaves_the_file_only_when_it_is_stored(tmp_path: Path) -> None:
    letters, sink = DeadLetters(tmp_path / "dead.jsonl"), SqliteSink(tmp_path / "log.sqlite")
    good, bad = event(1), replace(event(2), session_id="x" * 65)
    letters.add([DeadLetter("activity", e.event_id, "full", e.to_json().decode()) for e in (good, bad)])
    refused = retry(letters.letters(), sink)
    assert [letter.id for letter in refused] == [bad.event_id]
    assert letters.remove({letter.name for letter in letters.letters()} - {letter.name for letter in refused}) == 1
    assert [letter.id for letter in letters.letters()] == [bad.event_id]
    assert stored(tmp_path) == Counter([good.event_id])


def test_letters_that_come_while_others_are_removed_are_kept(tmp_path: Path) -> None:
    writer, other = DeadLetters(tmp_path / "dead.jsonl"), DeadLetters(tmp_path / "dead.jsonl")
    made = [DeadLetter("activity", str(n), "too long", f"{n}") for n in range(40)]
    writer.add(made[:1])
    with ThreadPoolExecutor(2) as threads:
        adding = threads.submit(lambda: [writer.add([letter]) for letter in made[1:]])
        removing = threads.submit(lambda: [other.remove({made[0].name}) for _ in range(20)])
        adding.result()
        removing.result()
    assert [letter.id for letter in writer.letters()] == [letter.id for letter in made[1:]]
    assert writer.count() == other.count() == 39


def test_a_sink_that_holds_the_lock_makes_others_wait_their_turn(database: Any, tmp_path: Path) -> None:
    from tracking.mysql_sink import LOCK, UNLOCK, MySQLSink

    sink = MySQLSink(database.connect)
    sink.create_tables()
    with database.connect() as other, other.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute(LOCK, ("activity_log",))
        writing = thread.submit(sink.write_activities, [event(1)])
        assert MySQLSink(database.connect).activities_after(0, 10) == []
        assert not writing.done()
        cursor.execute(UNLOCK, ("activity_log",))
        assert writing.result(timeout=30) == []
    assert len(sink.activities_after(0, 10)) == 1
    sink.close()


def test_a_database_that_comes_back_is_written_to_again(own_mariadb: Any) -> None:
    from tracking.mysql_sink import MySQLSink

    database = own_mariadb.new_database()
    sink = MySQLSink(database.connect)
    sink.create_tables()
    own_mariadb.stop()
    with pytest.raises(SinkUnavailableError):
        sink.write_activities([event(1)])
    own_mariadb.restart()
    assert sink.write_activities([event(1)]) == []
    sink.close()


def test_a_missing_table_is_told_and_loses_nothing(database: Any, tmp_path: Path) -> None:
    from tracking.mysql_sink import MySQLSink

    spool = Spool(tmp_path / "spool")
    push(spool, Record.of_event(event(1)))
    sink = MySQLSink(database.connect)
    report = Flusher([spool], sink, DeadLetters(tmp_path / "dead.jsonl")).flush()
    assert "activity_log" in report.problems[0]
    sink.create_tables()
    Flusher([spool], sink, DeadLetters(tmp_path / "dead.jsonl")).flush()
    assert len(sink.activities_after(0, 10)) == 1
    sink.close()


FAR = b'{"event_id":"a","event_type":"like","user_id":1,"timestamp":"0001-01-01T00:00:00+23:59"}'


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (Kind.ACTIVITY, b"[]", "an event is a JSON object"),
        (Kind.ACTIVITY, FAR, "date value out of range"),
        (Kind.ACTIVITY, b'{"event_id":"a"}', "'timestamp' is missing"),
        (Kind.DECISION, b"{}", "'feed_id' is missing"),
        (Kind.DECISION, b"null", "object is not subscriptable"),
    ],
)
def test_what_cannot_be_read_is_kept_with_its_reason_and_stops_no_flush(
    make: Make, tmp_path: Path, kind: Kind, body: bytes, reason: str
) -> None:
    push(make(), Record(kind, uuid(1), 7, body), Record.of_event(event(2)))
    report = flusher(make(), tmp_path).flush()
    [letter] = DeadLetters(tmp_path / "dead.jsonl").letters()
    assert (report.written, report.refused, report.problems) == (1, 1, [])
    assert letter.body == body.decode()
    assert letter.reason.startswith("unreadable: ")
    assert reason in letter.reason
