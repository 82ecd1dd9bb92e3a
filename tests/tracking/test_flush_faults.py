"""Flushers over a real Redis and MariaDB: many at once, crashing; the database away for longer than the expiry."""

import asyncio
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.servers import Database, MariaDB, Redis
from tests.tracking.test_flush import CrashError, Faulty
from tests.tracking.worlds import event, uuid
from tracking.buffer import Record
from tracking.dead_letters import DeadLetters
from tracking.flush import Flusher
from tracking.mysql_sink import MySQLSink
from tracking.redis_buffer import DAY_SECONDS, RedisBuffer
from tracking.redis_client import RedisConfig

EVENTS, FLUSHERS, CRASHES = 200, 4, 8
STEPS = 20  # in which the time of one expiry passes


@pytest.fixture
def config(redis_server: Redis) -> RedisConfig:
    return RedisConfig(host=redis_server.host, port=redis_server.port, timeout=5.0)


def push(buffer: RedisBuffer, *records: Record) -> None:
    async def pushed() -> None:
        await buffer.push(records)
        await buffer.close()

    asyncio.run(pushed())


def stored(database: Database) -> Counter[str]:
    return Counter(str(row[0]) for row in database.run("SELECT event_id FROM activity_log"))


def test_four_flushers_that_crash_between_any_two_steps_lose_and_double_nothing(
    config: RedisConfig, database: Database, tmp_path: Path
) -> None:
    numbers = iter(range(10**6))
    MySQLSink(database.connect).create_tables()

    def crash_while_more_comes(which: int) -> Counter[str]:
        draw, pushed, crashes = random.Random(which), Counter[str](), 0
        while crashes < CRASHES:
            records = [Record.of_event(event(n, user_id=n % 200)) for n in islice(numbers, EVENTS)]
            pushed.update(record.id for record in records)
            push(RedisBuffer(config), *records)
            countdown, sink = [draw.randint(1, 16)], MySQLSink(database.connect)
            buffers: list[Any] = [Faulty(RedisBuffer(config, lease_seconds=0.05), countdown)]
            letters: Any = DeadLetters(tmp_path / "dead.jsonl")
            try:
                Flusher(buffers, Faulty(sink, countdown), letters).flush()
            except CrashError:
                crashes += 1
            finally:
                sink.close()
        return pushed

    with ThreadPoolExecutor(FLUSHERS) as threads:
        pushed = sum(threads.map(crash_while_more_comes, range(FLUSHERS)), Counter[str]())
    sink, left = MySQLSink(database.connect), RedisBuffer(config, lease_seconds=0.0)
    while left.waiting().records:
        Flusher([left], sink, DeadLetters(tmp_path / "dead.jsonl")).flush()
    assert stored(database) == pushed
    sink.close()


def pass_time(raw: Any, seconds: float) -> None:
    """Make what waits in Redis older, and let expire what would have."""
    for key in raw.zrange("activity_waiting", 0, -1):
        raw.zincrby("activity_waiting", -seconds, key)
    for key in raw.keys("*user_activity:*"):
        if (left := raw.pttl(key)) >= 0:
            raw.pexpire(key, left - int(seconds * 1000))


def test_with_the_database_away_for_five_expiries_nothing_is_lost(
    config: RedisConfig, own_mariadb: MariaDB, tmp_path: Path
) -> None:
    database, now = own_mariadb.new_database(), [0.0]
    sink = MySQLSink(lambda: database.connect(connect_timeout=1))
    sink.create_tables()
    own_mariadb.stop()
    letters = DeadLetters(tmp_path / "dead.jsonl")
    keeper = Flusher([RedisBuffer(config)], sink, letters, clock=lambda: now[0])
    with redis.Redis(host=config.host, port=config.port, db=config.db) as raw:
        for step in range(5 * STEPS):
            if step % 5 == 0:
                push(RedisBuffer(config), Record.of_event(event(step, user_id=step % 3)))
            pass_time(raw, DAY_SECONDS / STEPS)
            now[0] += DAY_SECONDS / STEPS
            keeper.shelter()
            if keeper.due():
                keeper.flush()
    own_mariadb.start()
    flusher = Flusher([RedisBuffer(config)], sink, letters)
    flusher.recover()
    flusher.flush()
    assert stored(database) == Counter(uuid(step) for step in range(0, 5 * STEPS, 5))
    sink.close()


@pytest.mark.parametrize("mode", ["", "STRICT_ALL_TABLES"], ids=["lax", "strict"])
def test_refused_rows_become_dead_letters_and_nothing_is_cut_to_fit(
    config: RedisConfig, database: Database, tmp_path: Path, mode: str
) -> None:
    sink = MySQLSink(lambda: database.connect(init_command=f"SET SESSION sql_mode = '{mode}'"))
    sink.create_tables()
    events = [event(n, user_id=n % 5) for n in range(40)]
    wrong = {
        7: {"session_id": "x" * 65},
        18: {"position": 2**40},
        30: {"video_url": "https://" + "a" * 1100},
        31: {"event_type": "é"},
    }
    events = [replace(one, **wrong.get(n, {})) for n, one in enumerate(events)]
    push(RedisBuffer(config), *map(Record.of_event, events))
    letters = DeadLetters(tmp_path / "dead.jsonl")
    report = Flusher([RedisBuffer(config)], sink, letters).flush()
    assert (report.written, report.refused) == (36, 4)
    reasons = {letter.id: letter.reason for letter in letters.letters()}
    assert set(reasons) == {uuid(n) for n in wrong}
    for number, column in ((7, "session_id"), (18, "position"), (30, "video_url"), (31, "event_type")):
        assert column in reasons[uuid(number)]
    assert stored(database) == Counter(uuid(n) for n in range(40) if n not in wrong)
    sink.close()
