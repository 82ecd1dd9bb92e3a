"""The façade over real parts: the spool and the local ledger, and a real Redis that goes away."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from engine.features import scaled
from engine.feed_types import NOTHING_SEEN
from tests.support.servers import Database, Redis
from tests.tracking.worlds import NOON, feed, served, uuid
from tracking.buffer import Buffer, BufferFullError
from tracking.dead_letters import DeadLetters
from tracking.flush import Flusher
from tracking.learner import Learner
from tracking.ledger import LedgerUnavailableError
from tracking.local_ledger import LocalLedger
from tracking.mysql_sink import MySQLSink
from tracking.redis_buffer import RedisBuffer
from tracking.redis_client import Breaker, RedisConfig
from tracking.redis_ledger import RedisLedger
from tracking.redis_link import RedisLink
from tracking.redis_recorder import RedisRecorder
from tracking.rewards import KINDS
from tracking.sink import Sink
from tracking.spool import Spool
from tracking.sqlite_sink import SqliteSink
from tracking.tracker import BUFFER, LEDGER, Accepted, Tracker

VIEW = {"event_type": "video_view", "user_id": 7, "video_id": 12}
Story = Callable[[Tracker], Awaitable[Any]]


def embedded(folder: Path, **spool: Any) -> Tracker:
    buffer = Spool(folder / "spool", **spool)
    return Tracker(buffer=buffer, spool=buffer, ledger=LocalLedger(folder / "sessions.sqlite", timeout=5.0))


def with_redis(server: Redis, folder: Path, timeout: float = 5.0) -> Tracker:
    config = RedisConfig(host=server.host, port=server.port, timeout=timeout)
    return Tracker(buffer=RedisBuffer(config), spool=Spool(folder / "spool"), ledger=RedisLedger(config))


def tell(tracker: Tracker, story: Story) -> Any:
    async def told() -> Any:
        try:
            return await story(tracker)
        finally:
            await tracker.close()

    return asyncio.run(told())


async def serve(tracker: Tracker, feed_id: str, *items: str) -> list[str]:
    return await tracker.record(served(feed_id, *items))


def flush(buffers: list[Buffer], sink: Sink, folder: Path) -> None:
    report = Flusher(buffers, sink, DeadLetters(folder / "dead.jsonl")).flush()
    assert (report.problems, report.refused) == ([], 0)


def test_events_are_accepted_told_apart_and_rejected_one_by_one(tmp_path: Path) -> None:
    async def story(tracker: Tracker) -> list[Accepted]:
        one, other = VIEW | {"event_id": uuid(1)}, VIEW | {"event_id": uuid(2)}
        first = await tracker.accept([one, VIEW | {"user_id": -1}, one, other], NOON)
        return [first, await tracker.accept([other], NOON)]

    first, second = tell(embedded(tmp_path), story)
    assert (first.accepted, first.duplicates, first.durability) == (2, 1, "local")
    assert [(r.index, r.code) for r in first.rejected] == [(1, "invalid_field")]
    assert (second.accepted, second.duplicates) == (0, 1)


def test_what_a_viewer_did_counts_on_the_next_request(tmp_path: Path) -> None:
    async def story(tracker: Tracker) -> Any:
        await serve(tracker, "f1", "AU:12", "NU:5", "FW:flow3")
        await tracker.accept([VIEW, VIEW | {"event_type": "hide", "video_id": 5}], NOON)
        return await tracker.seen(7, "7:1")

    seen, degraded = tell(embedded(tmp_path), story)
    assert degraded == []
    assert (seen.served_videos, seen.served_flows) == ((12, 5), (3,))
    assert (seen.watched_videos, seen.hidden_videos, seen.last_creators) == ((12,), (5,), (112, 105, 103))


@pytest.mark.parametrize("flushed", ["before", "with"])
def test_a_view_without_a_feed_teaches_the_bandit_of_the_pool_that_showed_it(tmp_path: Path, flushed: str) -> None:
    sink = SqliteSink(tmp_path / "activity.sqlite")
    learner = Learner(sink, tmp_path / "policies")

    async def story(tracker: Tracker) -> None:
        await serve(tracker, "f1", "VMP:1", "AU:12", "NU:5")
        if flushed == "before":
            flush([Spool(tmp_path / "spool")], sink, tmp_path)
            learner.learn()
        view = VIEW | {"watch_seconds": 10, "duration_seconds": 10}
        await tracker.accept([view], NOON + timedelta(seconds=5))

    tell(embedded(tmp_path), story)
    flush([Spool(tmp_path / "spool")], sink, tmp_path)
    learner.learn()
    sums = learner.state.statistics
    assert learner.state.unattributed == 0
    assert (sums["VMP"].count, sums["AU"].count, sums["NU"].count) == (1.0, 1.0, 0.0)
    assert np.allclose(sums["AU"].moment[KINDS.index("watch")], scaled(feed("VMP:1", "AU:12", "NU:5").features)[1])
    assert not sums["VMP"].moment.any()


def test_a_feed_request_is_an_activity_too(tmp_path: Path) -> None:
    sink = SqliteSink(tmp_path / "activity.sqlite")
    assert tell(embedded(tmp_path), lambda tracker: serve(tracker, "f1", "AU:1")) == []
    flush([Spool(tmp_path / "spool")], sink, tmp_path)
    [(_, request)] = sink.activities_after(0, 10)
    assert (request.event_type, request.feed_id, request.item) == ("feed_request", "f1", None)
    assert [feed_id for _, feed_id in sink.feeds_after(0, 10)] == ["f1"]


def test_with_redis_and_a_database_the_same_story_ends_the_same(
    tmp_path: Path, redis_server: Redis, database: Database
) -> None:
    sink = MySQLSink(database.connect)
    sink.create_tables()

    async def story(tracker: Tracker) -> Any:
        degraded = await serve(tracker, "f1", "VMP:1", "AU:12")
        accepted = await tracker.accept([VIEW, VIEW | {"video_id": 77}], NOON)
        return degraded, accepted, await tracker.seen(7, "7:1"), await tracker.backlog()

    degraded, accepted, (seen, missing), backlog = tell(with_redis(redis_server, tmp_path), story)
    assert (degraded, missing, accepted.accepted, accepted.durability) == ([], [], 2, "redis")
    assert (seen.served_videos, seen.watched_videos) == ((1, 12), (12, 77))
    assert (backlog["redis"].records, backlog["local"].records) == (4, 0)
    flush([RedisBuffer(RedisConfig(host=redis_server.host, port=redis_server.port))], sink, tmp_path)
    learner = Learner(sink, tmp_path / "policies")
    learner.learn()
    assert learner.state.statistics["AU"].count == 1.0
    assert (learner.state.acts, learner.state.unattributed) == (2, 1)
    sink.close()


def test_with_redis_gone_events_go_to_the_spool_and_feeds_say_what_is_missing(
    tmp_path: Path, redis_server: Redis
) -> None:
    async def story(tracker: Tracker) -> Any:
        redis_server.freeze()
        try:
            seen = await tracker.seen(7, "7:1")
            degraded = await serve(tracker, "f1", "AU:12")
            return seen, degraded, await tracker.accept([VIEW], NOON)
        finally:
            redis_server.thaw()

    tracker = with_redis(redis_server, tmp_path, timeout=0.05)
    (seen, missing), degraded, accepted = tell(tracker, story)
    assert (seen.served_videos, missing, degraded) == ((), [LEDGER], [BUFFER, LEDGER])
    assert (accepted.accepted, accepted.durability) == (1, "local")
    assert tracker.problems[LEDGER] >= 1
    sink = SqliteSink(tmp_path / "activity.sqlite")
    config = RedisConfig(host=redis_server.host, port=redis_server.port)
    flush([RedisBuffer(config), Spool(tmp_path / "spool")], sink, tmp_path)
    assert sorted(found.event_type for _, found in sink.activities_after(0, 10)) == ["feed_request", "video_view"]
    assert len(sink.feeds_after(0, 10)) == 1


def test_a_full_disk_is_said_for_events_and_only_noted_for_feeds(tmp_path: Path) -> None:
    async def story(tracker: Tracker) -> Any:
        with pytest.raises(BufferFullError):
            await tracker.accept([VIEW], NOON)
        return await serve(tracker, "f1", "AU:12")

    assert tell(embedded(tmp_path, cap_bytes=10), story) == [BUFFER]


HIDE = VIEW | {"event_type": "hide"}


def test_a_hide_that_no_disk_takes_does_not_count(tmp_path: Path) -> None:
    async def story(tracker: Tracker) -> Any:
        with pytest.raises(BufferFullError):
            await tracker.accept([HIDE], NOON)
        return await tracker.seen(7, "7:1")

    assert tell(embedded(tmp_path, cap_bytes=10), story) == (NOTHING_SEEN, [])


@pytest.mark.parametrize("room", [10, 1 << 20], ids=["full", "roomy"])
def test_a_hide_that_redis_refuses_counts_when_the_spool_takes_it(
    tmp_path: Path, redis_server: Redis, room: int
) -> None:
    config = RedisConfig(host=redis_server.host, port=redis_server.port, timeout=5.0)
    redis.Redis(host=redis_server.host, port=redis_server.port, db=1).set("user_activity:7", "no list")
    breaker, link = Breaker(), RedisLink(config)
    tracker = Tracker(
        buffer=RedisBuffer(config, breaker=breaker, link=link),
        spool=Spool(tmp_path / "spool", cap_bytes=room),
        ledger=RedisLedger(config, breaker=breaker, link=link),
        recorder=RedisRecorder(link, breaker, ttl_seconds=86_400),
    )

    async def story(tracker: Tracker) -> Any:
        with suppress(BufferFullError):
            accepted = await tracker.accept([HIDE], NOON)
            assert (accepted.accepted, accepted.durability) == (1, "local")
        return await tracker.seen(7, "7:1")

    seen, degraded = tell(tracker, story)
    assert (seen.hidden_videos, degraded) == ((12,) if room > 10 else (), [])


def test_an_empty_call_is_answered(tmp_path: Path) -> None:
    assert tell(embedded(tmp_path), lambda tracker: tracker.accept([], NOON)) == Accepted(0, 0, (), "local")


def test_what_stops_a_feeds_record_leaves_nothing_behind_that_nobody_waited_for(tmp_path: Path) -> None:
    class Broken(Spool):
        async def push(self, records: Any, *, durable: bool = True) -> Any:
            raise ZeroDivisionError

    class Away(LocalLedger):
        def served(self, *feed: Any) -> Awaitable[None]:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_exception(LedgerUnavailableError("gone"))
            return done

    async def story(tracker: Tracker) -> list[Any]:
        said: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        with pytest.raises(ZeroDivisionError):
            await serve(tracker, "f1", "AU:12")
        gc.collect()
        return said

    buffer = Broken(tmp_path / "spool")
    assert tell(Tracker(buffer=buffer, spool=buffer, ledger=Away(tmp_path / "sessions.sqlite")), story) == []
