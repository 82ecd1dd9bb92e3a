import asyncio
import threading
from typing import Any

import pytest
import redis

from tests.support.servers import Redis
from tests.tracking.worlds import decision, event, uuid
from tracking.buffer import BufferUnavailableError, Record
from tracking.events import Event
from tracking.redis_buffer import RedisBuffer
from tracking.redis_client import Breaker, RedisConfig


def config(server: Redis, timeout: float = 5.0) -> RedisConfig:
    return RedisConfig(host=server.host, port=server.port, timeout=timeout, password=server.password)


def push(buffer: RedisBuffer, *numbers: int) -> None:
    async def pushed() -> None:
        await buffer.push([Record.of_event(event(n)) for n in numbers] + [Record.of_decision(decision("f1", "AU:1"))])
        await buffer.close()

    asyncio.run(pushed())


@pytest.fixture
def raw(redis_server: Redis) -> Any:
    return redis.Redis(host=redis_server.host, port=redis_server.port, db=1)


def test_events_lie_in_a_list_per_viewer_that_expires_within_a_day(redis_server: Redis, raw: Any) -> None:
    push(RedisBuffer(config(redis_server)), 1, 2)
    assert [Event.of_json(body).event_id for body in raw.lrange("user_activity:7", 0, -1)] == [uuid(1), uuid(2)]
    assert 0 < raw.ttl("user_activity:7") <= 86_400
    assert raw.ttl("feed_decisions:7") == -1


def test_a_drained_list_does_not_expire(redis_server: Redis, raw: Any) -> None:
    push(RedisBuffer(config(redis_server)), 1)
    reader = RedisBuffer(config(redis_server))
    reader.hold()
    [drained] = raw.keys("drained:user_activity:7:*")
    assert raw.ttl(drained) == -1
    assert not raw.exists("user_activity:7")
    batch = reader.take(10)
    assert batch
    assert [Event.of_json(body).event_id for body in batch.activities] == [uuid(1)]


def test_a_taken_list_is_left_alone_until_its_lease_ends(redis_server: Redis) -> None:
    push(RedisBuffer(config(redis_server)), 1)
    first = RedisBuffer(config(redis_server)).take(10)
    assert first
    assert RedisBuffer(config(redis_server)).take(10) is None
    assert RedisBuffer(config(redis_server), lease_seconds=0.0).take(10) == first


def test_lists_that_other_programs_pushed_are_adopted(redis_server: Redis, raw: Any) -> None:
    raw.rpush("user_activity:9", event(1, user_id=9).to_json())
    assert RedisBuffer(config(redis_server)).waiting().records == 1
    assert RedisBuffer(config(redis_server)).take(10)


def test_a_frozen_redis_is_given_up_on_and_then_left_alone(redis_server: Redis) -> None:
    async def story() -> None:
        buffer = RedisBuffer(config(redis_server, timeout=0.05), breaker=Breaker(pause=60.0))
        redis_server.freeze()
        try:
            for _ in range(2):
                with pytest.raises(BufferUnavailableError):
                    await buffer.push([Record.of_event(event(1))])
            with pytest.raises(BufferUnavailableError, match="paused"):
                await buffer.push([Record.of_event(event(1))])
        finally:
            redis_server.thaw()

    asyncio.run(story())


def test_an_event_that_was_refused_is_no_duplicate_when_it_comes_again(redis_server: Redis, raw: Any) -> None:
    raw.set("user_activity:7", "no list")
    with pytest.raises(BufferUnavailableError, match="WRONGTYPE"):
        push(RedisBuffer(config(redis_server)), 1)
    raw.delete("user_activity:7")
    push(RedisBuffer(config(redis_server)), 1)
    push(RedisBuffer(config(redis_server)), 1)
    assert raw.llen("user_activity:7") == 1


def test_a_breaker_closes_again_after_its_pause() -> None:
    now = [0.0]
    breaker = Breaker(pause=1.0, clock=lambda: now[0])
    assert not breaker.open
    breaker.failed(OSError())
    assert breaker.open
    now[0] = 1.0
    assert not breaker.open


def test_a_redis_that_may_lose_events_is_told(redis_server: Redis, raw: Any) -> None:
    buffer = RedisBuffer(config(redis_server))
    assert buffer.warnings() == []
    assert "appendfsync everysec" in buffer.hints()[0]
    raw.config_set("appendfsync", "always")
    assert buffer.hints() == []
    raw.config_set("appendonly", "no")
    raw.config_set("maxmemory-policy", "allkeys-lru")
    assert [warning.split(":")[0] for warning in buffer.warnings()] == [
        "redis keeps no append-only file",
        "redis may evict what waits (maxmemory-policy allkeys-lru, not noeviction)",
    ]


def test_a_replica_is_told_apart(redis_server: Redis, raw: Any) -> None:
    raw.replicaof("127.0.0.1", "1")
    assert "redis is a replica" in " ".join(RedisBuffer(config(redis_server)).warnings())


def test_a_redis_that_reads_its_files_is_not_said_to_keep_none() -> None:
    with Redis(appendonly="yes", key_load_delay="50") as server:  # microseconds a key; it answers every 1,024 keys
        with redis.Redis(host=server.host, port=server.port).pipeline() as pipeline:
            for number in range(20_000):
                pipeline.set(f"key{number}", "x")
            pipeline.execute()
        server.kill()
        starting = threading.Thread(target=server.start)
        starting.start()
        buffer, told = RedisBuffer(config(server)), list[str]()
        while starting.is_alive():
            try:
                told += buffer.warnings()
            except BufferUnavailableError as error:
                told.append(str(error))
        assert any("loading" in one for one in told)
        assert not any("append-only" in one for one in told)


def test_a_full_redis_says_so_and_can_still_be_emptied(redis_server: Redis, raw: Any) -> None:
    push(RedisBuffer(config(redis_server)), 1, 2)
    raw.config_set("maxmemory", "1mb")
    assert "redis' memory is full" in RedisBuffer(config(redis_server)).warnings()[0]
    with pytest.raises(BufferUnavailableError, match="memory"):
        push(RedisBuffer(config(redis_server)), 3)
    buffer = RedisBuffer(config(redis_server))
    batch = buffer.take(10)
    assert batch
    assert len(batch) == 3
    buffer.release(batch)
    again = buffer.take(10)
    assert again == batch
    buffer.acknowledge(batch)
    assert buffer.waiting().records == 0


def test_totals_mend_after_lists_that_expired(redis_server: Redis, raw: Any) -> None:
    push(RedisBuffer(config(redis_server)), 1, 2)
    raw.delete("user_activity:7", "feed_decisions:7")
    buffer = RedisBuffer(config(redis_server))
    assert buffer.take(10) is None
    assert buffer.waiting().records == 0
    assert not raw.exists("activity_totals")


def test_what_a_dead_flusher_took_is_recovered_at_once(redis_server: Redis) -> None:
    push(RedisBuffer(config(redis_server)), 1)
    taken = RedisBuffer(config(redis_server)).take(10)
    buffer = RedisBuffer(config(redis_server))
    assert buffer.take(10) is None
    buffer.recover()
    assert buffer.take(10) == taken


def test_only_what_waited_for_long_is_sheltered(redis_server: Redis, raw: Any) -> None:
    push(RedisBuffer(config(redis_server)), 1)
    buffer = RedisBuffer(config(redis_server))
    buffer.hold(older_seconds=60.0)
    assert raw.exists("user_activity:7")
    raw.zincrby("activity_waiting", -100.0, "user_activity:7")
    buffer.hold(older_seconds=60.0)
    assert not raw.exists("user_activity:7")
    assert buffer.waiting().oldest_seconds >= 100.0


def test_a_key_of_the_name_of_a_list_that_is_none_stops_no_flush(
    redis_server: Redis, raw: Any, caplog: pytest.LogCaptureFixture
) -> None:
    raw.set("user_activity:9", "no list")
    raw.rpush("user_activity:8", Record.of_event(event(2)).body)
    push(RedisBuffer(config(redis_server)), 1)
    buffer = RedisBuffer(config(redis_server))
    assert buffer.waiting().activities == 2
    batch = buffer.take(10)
    assert batch
    assert {Event.of_json(body).event_id for body in batch.activities} == {uuid(1), uuid(2)}
    assert "user_activity:9 is no list" in caplog.text


def test_one_viewers_damaged_list_does_not_keep_redis_from_others(redis_server: Redis, raw: Any) -> None:
    raw.set("user_activity:9", "no list")

    async def story() -> None:
        buffer = RedisBuffer(config(redis_server))
        with pytest.raises(BufferUnavailableError, match="WRONGTYPE"):
            await buffer.push([Record.of_event(event(1, user_id=9))])
        await buffer.push([Record.of_event(event(2))])
        await buffer.close()

    asyncio.run(story())
    assert raw.llen("user_activity:7") == 1
