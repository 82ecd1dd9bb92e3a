"""What every recorder promises, on the local disk and on a real Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis as redis_py

from engine.feed_types import NOTHING_SEEN
from tests.support.servers import Redis
from tests.tracking.worlds import event, served, uuid
from tracking.buffer import Buffer, BufferUnavailableError
from tracking.decisions import Decision
from tracking.events import Event
from tracking.ledger import Ledger, LedgerUnavailableError
from tracking.local_ledger import LocalLedger
from tracking.recorder import ALL_KEPT, EachRecorder, Recorder, Taken
from tracking.redis_buffer import RedisBuffer
from tracking.redis_client import Breaker, RedisConfig
from tracking.redis_ledger import RedisLedger
from tracking.redis_link import RedisLink
from tracking.redis_recorder import RedisRecorder
from tracking.spool import Spool

TTL = 86_400.0


class Bench(NamedTuple):
    recorder: Recorder
    buffer: Buffer
    ledger: Ledger
    breaker: Breaker


Story = Callable[[Bench], Awaitable[Any]]
Tell = Callable[[Story], Any]


def on_redis(config: RedisConfig, *, together: bool) -> Bench:
    breaker, link = Breaker(), RedisLink(config)
    buffer = RedisBuffer(config, ttl_seconds=TTL, breaker=breaker, link=link)
    ledger = RedisLedger(config, breaker=breaker, link=link)
    each = EachRecorder(buffer, ledger)
    return Bench(RedisRecorder(link, breaker, ttl_seconds=TTL) if together else each, buffer, ledger, breaker)


def on_disk(folder: Path) -> Bench:
    spool, ledger = Spool(folder / "spool"), LocalLedger(folder / "sessions.sqlite", timeout=5.0)
    return Bench(EachRecorder(spool, ledger), spool, ledger, Breaker())


@pytest.fixture
def raw(redis_server: Redis) -> redis_py.Redis:
    return redis_py.Redis(host=redis_server.host, port=redis_server.port, db=1)


def run(make: Callable[[], Bench], story: Story) -> Any:
    async def told() -> Any:
        bench = make()
        try:
            return await story(bench)
        finally:
            await bench.buffer.close()
            await bench.ledger.close()

    return asyncio.run(told())


def config_of(server: Redis) -> RedisConfig:
    return RedisConfig(host=server.host, port=server.port, timeout=5.0)


@pytest.fixture(params=["disk", "each", "together"])
def tell(request: pytest.FixtureRequest, tmp_path: Path) -> Tell:
    """Runs a story on a recorder with its buffer and its ledger."""
    if request.param == "disk":
        return lambda story: run(lambda: on_disk(tmp_path), story)
    server = request.getfixturevalue("redis_server")
    return lambda story: run(lambda: on_redis(config_of(server), together=request.param == "together"), story)


def test_a_feed_leaves_its_decision_its_activity_and_its_items(tell: Tell) -> None:
    async def story(bench: Bench) -> Any:
        assert await bench.recorder.keep(served("f1", "AU:5", "FW:flow3")) == ALL_KEPT
        assert await bench.recorder.keep(served("f2", "NU:4")) == ALL_KEPT
        return await bench.ledger.read(7, "7:1"), await asyncio.to_thread(bench.buffer.take, 10)

    seen, batch = tell(story)
    assert (seen.served_videos, seen.served_flows, seen.last_creators) == ((5, 4), (3,), (105, 103, 104))
    events, decisions = map(Event.of_json, batch.activities), map(Decision.of_json, batch.decisions)
    assert {(event.event_id, event.event_type, event.feed_id) for event in events} == {
        ("f1", "feed_request", "f1"),
        ("f2", "feed_request", "f2"),
    }
    shown = {decision.feed_id: [one.item for one in decision.shown] for decision in decisions}
    assert shown == {"f1": ["video:5", "flow:3"], "f2": ["video:4"]}


def test_an_empty_feed_is_recorded_and_leaves_the_session_as_it_was(tell: Tell) -> None:
    async def story(bench: Bench) -> Any:
        assert await bench.recorder.keep(served("f1")) == ALL_KEPT
        return await bench.ledger.read(7, "7:1"), await asyncio.to_thread(bench.buffer.waiting)

    seen, waiting = tell(story)
    assert (seen.served_videos, waiting.records, waiting.activities) == ((), 2, 1)


@pytest.fixture(params=[False, True], ids=["each", "together"])
def redis_bench(request: pytest.FixtureRequest, redis_server: Redis) -> Callable[[], Bench]:
    return lambda: on_redis(config_of(redis_server), together=request.param)


def contents(raw: redis_py.Redis) -> dict[str, tuple[Any, int]]:
    """What Redis holds by key, and whether it expires; without times, and without the edge's memory of event ids."""
    found: dict[str, tuple[Any, int]] = {}
    for key in sorted(raw.keys()):
        kind = raw.type(key)
        if kind == b"string":
            continue
        read = {b"list": lambda k: raw.lrange(k, 0, -1), b"zset": lambda k: raw.zrange(k, 0, -1), b"hash": raw.hgetall}
        found[key.decode()] = read[kind](key), round(raw.ttl(key), -2)
    return found


def test_together_leaves_in_redis_what_each_by_itself_does(redis_server: Redis, raw: redis_py.Redis) -> None:
    async def story(bench: Bench) -> None:
        for name in ("f1", "f2"):
            await bench.recorder.keep(served(name, "AU:5", "FW:flow3"))
        await bench.recorder.keep(served("f3", "VMP:6", user_id=8, session_id="mine"))
        acts = [event(1, video_id=5), event(2, "hide", video_id=6), event(3, "share"), event(4, "hide", user_id=8)]
        await bench.recorder.take(acts)
        await bench.recorder.take([acts[1], event(5, "like", flow_id=3)])

    left = []
    for together in (False, True):
        raw.flushdb()
        run(lambda together=together: on_redis(config_of(redis_server), together=together), story)
        left.append(contents(raw))
    assert left[0] == left[1]
    assert {"session:7:1", "session:8:mine", "feed_decisions:7", "activity_waiting", "hidden:8"} <= set(left[0])


def test_records_wait_since_now_by_redis_own_clock(
    redis_bench: Callable[[], Bench], raw: redis_py.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(bench: Bench) -> None:
        await bench.ledger.read(7, "7:1")
        monkeypatch.setattr("time.time", lambda: 1e9)
        await bench.recorder.keep(served("f1", "AU:5"))
        monkeypatch.undo()

    run(redis_bench, story)
    seconds, _ = raw.time()
    scores = [score for _, score in raw.zrange("activity_waiting", 0, -1, withscores=True)]
    assert len(scores) == 2
    assert all(seconds - 60 < score <= seconds + 2 for score in scores)


def test_a_feed_is_found_by_what_it_showed_however_far_redis_clock_is_from_a_machines(
    redis_bench: Callable[[], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(bench: Bench) -> Any:
        await bench.recorder.keep(served("f1", "AU:5"))
        return list((await bench.ledger.latest_feeds([event(1, video_id=5)])).values())

    monkeypatch.setattr(RedisLink, "now", lambda _: 1e9)
    assert run(redis_bench, story) == ["f1"]


@pytest.mark.parametrize("key", ["user_activity:7", "feed_decisions:7"])
def test_a_damaged_list_of_one_viewer_is_told_and_no_reason_to_leave_redis_alone(
    redis_bench: Callable[[], Bench], raw: redis_py.Redis, key: str
) -> None:
    raw.set(key, "no list")

    async def story(bench: Bench) -> Any:
        kept = await bench.recorder.keep(served("f1", "AU:5"))
        return kept, bench.breaker.open, await bench.recorder.keep(served("f2", "AU:5", user_id=8, session_id="8:1"))

    kept, is_open, others = run(redis_bench, story)
    assert isinstance(kept.unrecorded, BufferUnavailableError)
    assert "WRONGTYPE" in str(kept.unrecorded)
    assert (kept.forgotten, is_open, others) == (None, False, ALL_KEPT)


@pytest.mark.parametrize("key", ["user_activity:7", "feed_decisions:7"])
def test_a_damaged_list_of_one_viewer_keeps_nobody_elses_records_from_being_taken(
    redis_bench: Callable[[], Bench], raw: redis_py.Redis, key: str
) -> None:
    raw.set(key, "no list")

    async def story(bench: Bench) -> Any:
        await bench.recorder.keep(served("f1", "AU:5"))
        await bench.recorder.keep(served("f2", "AU:5", user_id=8, session_id="8:1"))
        batch = await asyncio.to_thread(bench.buffer.take, 10)
        await asyncio.to_thread(bench.buffer.acknowledge, batch)
        return batch, await asyncio.to_thread(bench.buffer.take, 10), await asyncio.to_thread(bench.buffer.waiting)

    batch, rest, waiting = run(redis_bench, story)
    kept = [Decision.of_json(body).feed_id for body in batch.decisions]
    assert ("f2" in kept, rest, waiting.records, raw.get(key)) == (True, None, 0, b"no list")


def test_a_damaged_session_costs_the_memory_and_not_the_record(
    redis_bench: Callable[[], Bench], raw: redis_py.Redis
) -> None:
    raw.set("session:7:1", "no list")
    kept = run(redis_bench, lambda bench: bench.recorder.keep(served("f1", "AU:5")))
    assert isinstance(kept.forgotten, LedgerUnavailableError)
    assert (kept.unrecorded, raw.llen("feed_decisions:7")) == (None, 1)


def test_a_full_redis_keeps_nothing_of_a_feed_and_is_asked_again(
    redis_bench: Callable[[], Bench], raw: redis_py.Redis
) -> None:
    async def story(bench: Bench) -> Any:
        await bench.ledger.read(7, "7:1")
        raw.config_set("maxmemory", "1")
        kept = await bench.recorder.keep(served("f1", "AU:5"))
        raw.config_set("maxmemory", "0")
        return kept, bench.breaker.open

    kept, is_open = run(redis_bench, story)
    assert ("OOM" in str(kept.unrecorded), "OOM" in str(kept.forgotten), is_open) == (True, True, False)
    assert raw.llen("feed_decisions:7") == raw.llen("user_activity:7") == 0


def test_a_redis_that_is_gone_is_told_and_then_left_alone() -> None:
    async def story(bench: Bench) -> Any:
        kept = [await bench.recorder.keep(served("f1", "AU:5"))]
        assert bench.breaker.open
        return [*kept, await bench.recorder.keep(served("f2", "AU:5"))]

    nobody = RedisConfig(host="127.0.0.1", port=1)
    for together in (False, True):
        for kept in run(lambda together=together: on_redis(nobody, together=together), story):
            assert isinstance(kept.unrecorded, BufferUnavailableError)
            assert isinstance(kept.forgotten, LedgerUnavailableError)


def test_events_are_kept_once_and_count_each_time(tell: Tell) -> None:
    acts = [event(1, video_id=5), event(2, "hide", video_id=6), event(3, "share", video_id=8)]

    async def story(bench: Bench) -> Any:
        taken = [await bench.recorder.take(acts), await bench.recorder.take([acts[1], event(4, "hide", flow_id=2)])]
        return taken, await bench.ledger.read(7, "7:1"), await asyncio.to_thread(bench.buffer.take, 10)

    taken, seen, batch = tell(story)
    assert taken == [Taken(frozenset()), Taken(frozenset([acts[1].event_id]))]
    assert (seen.watched_videos, seen.hidden_videos, seen.hidden_flows) == ((5,), (6,), (2,))
    assert {Event.of_json(body).event_id for body in batch.activities} == {uuid(n) for n in (1, 2, 3, 4)}


def test_events_that_redis_refuses_do_not_count(redis_bench: Callable[[], Bench], raw: redis_py.Redis) -> None:
    raw.set("user_activity:7", "no list")

    async def story(bench: Bench) -> Any:
        with pytest.raises(BufferUnavailableError, match="WRONGTYPE"):
            await bench.recorder.take([event(1, "hide", video_id=6)])
        return await bench.ledger.read(7, "7:1"), bench.breaker.open

    assert run(redis_bench, story) == (NOTHING_SEEN, False)


def test_events_that_the_ledger_refuses_are_kept(redis_bench: Callable[[], Bench], raw: redis_py.Redis) -> None:
    raw.set("hidden:7", "no set")
    taken = run(redis_bench, lambda bench: bench.recorder.take([event(1, "hide", video_id=6)]))
    assert isinstance(taken.forgotten, LedgerUnavailableError)
    assert "WRONGTYPE" in str(taken.forgotten)
    assert (taken.known, raw.llen("user_activity:7")) == (frozenset(), 1)


@pytest.mark.parametrize("together", [False, True])
def test_events_for_a_redis_that_is_gone_are_refused_and_it_is_then_left_alone(together: bool) -> None:
    async def story(bench: Bench) -> None:
        for reason in ("redis: Connect", "redis: paused"):
            with pytest.raises(BufferUnavailableError, match=reason):
                await bench.recorder.take([event(1)])

    run(lambda: on_redis(RedisConfig(host="127.0.0.1", port=1), together=together), story)
