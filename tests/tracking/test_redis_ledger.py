"""The ledger's keys in a real Redis: what others left there, and searches that must not keep Redis from others."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
import redis

from engine.feed_types import Seen
from tests.support.servers import Redis
from tests.tracking.worlds import event, served, uuid
from tracking.ledger import MARK_SECONDS, MOST_HIDDEN, MOST_RECENT, LedgerUnavailableError
from tracking.redis_client import RedisConfig
from tracking.redis_ledger import BYTES_AT_ONCE, VIEWERS_AT_ONCE, RedisLedger

DAY = 86_400


@pytest.fixture
def raw(redis_server: Redis) -> Any:
    return redis.Redis(host=redis_server.host, port=redis_server.port, db=1)


def tell(server: Redis, story: Callable[[RedisLedger], Awaitable[Any]], clock: float | None = None) -> Any:
    async def told() -> Any:
        config = RedisConfig(host=server.host, port=server.port, timeout=5.0)
        ledger = RedisLedger(config, clock=None if clock is None else lambda: clock)
        try:
            return await story(ledger)
        finally:
            await ledger.close()

    return asyncio.run(told())


@pytest.mark.parametrize("left", [b'[["v",5,105]]', b"\x02" * 17, b"short"], ids=["another version", "flags", "length"])
def test_what_a_session_cannot_read_is_passed_over_and_the_rest_counts(
    redis_server: Redis, raw: Any, left: bytes
) -> None:
    raw.rpush("session:7:1", left)
    raw.zadd("hidden:7", {"video:x": 1, "video:\xff": 2, b"\xff\xfe": 3, "video:9": 4})

    async def story(ledger: RedisLedger) -> Seen:
        await ledger.served(served("f1", "AU:6", "FW:flow3"))
        return await ledger.read(7, "7:1")

    seen = tell(redis_server, story)
    assert (seen.served_videos, seen.served_flows, seen.last_creators) == ((6,), (3,), (106, 103))
    assert seen.hidden_videos == (9,)


def test_one_viewers_damaged_key_costs_that_viewer_alone(redis_server: Redis, raw: Any) -> None:
    raw.set("session:7:1", "no list")
    today = int(time.time() // DAY)
    raw.set(f"recent_feeds:7:{today}", "no list")
    raw.rpush(f"recent_feeds:9:{today}", "*** no feed", b"\xff\xfe")

    async def story(ledger: RedisLedger) -> Any:
        with pytest.raises(LedgerUnavailableError, match="WRONGTYPE"):
            await ledger.read(7, "7:1")
        await ledger.served(served("f1", "AU:6", user_id=8, session_id="8:1"))
        acts = [event(user, user_id=user, video_id=6) for user in (7, 8, 9)]
        return await ledger.read(8, "8:1"), await ledger.latest_feeds(acts)

    seen, latest = tell(redis_server, story)
    assert (seen.served_videos, latest) == ((6,), {uuid(8): "f1"})


def test_the_latest_hundred_feeds_of_today_and_yesterday_are_searched(redis_server: Redis) -> None:
    async def serve(ledger: RedisLedger, numbers: Sequence[int]) -> None:
        for number in numbers:
            await ledger.served(served(f"f{number}", f"AU:{number}", "AU:5000"))

    async def ask(ledger: RedisLedger) -> Any:
        return await ledger.latest_feeds([event(n, video_id=n) for n in (1, 20, 21, 80, 81, 120, 121, 5000)])

    noon = 20_000.5 * DAY
    tell(redis_server, lambda ledger: serve(ledger, range(1, 81)), noon - DAY)
    tell(redis_server, lambda ledger: serve(ledger, range(81, 121)), noon)
    assert MOST_RECENT == 100
    expected = {uuid(n): f"f{n}" for n in (21, 80, 81, 120)} | {uuid(5000): "f120"}
    assert tell(redis_server, ask, noon) == expected
    assert tell(redis_server, ask, noon + 2 * DAY) == {}


def test_a_mark_counts_as_the_latest_though_redis_clock_went_back_and_holds_for_half_a_year(
    redis_server: Redis, raw: Any
) -> None:
    later = time.time() + 3600.0
    raw.zadd("hidden:7", {f"video:{n}": later + n for n in range(MOST_HIDDEN)})
    tell(redis_server, lambda ledger: ledger.acted([event(1, "hide", video_id=9000), event(2, "hide", video_id=1)]))
    assert raw.zrange("hidden:7", -2, -1) == [b"video:9000", b"video:1"]
    assert (raw.zcard("hidden:7"), raw.zscore("hidden:7", "video:0")) == (MOST_HIDDEN, None)
    assert MARK_SECONDS - 60 < raw.ttl("hidden:7") <= MARK_SECONDS


@pytest.mark.parametrize("each", [1, 12], ids=["few items a viewer", "many items a viewer"])
def test_a_long_search_is_many_short_scripts_that_find_the_same(redis_server: Redis, raw: Any, each: int) -> None:
    viewers, feeds, today = VIEWERS_AT_ONCE + 10, 50, int(time.time() // DAY)
    with raw.pipeline() as pipeline:
        for user in range(viewers):
            entries = [f'f{n} ["video:{n}","video:{n + 1}",{",".join(["0"] * 200)}]' for n in range(1, feeds + 1)]
            pipeline.rpush(f"recent_feeds:{user}:{today}", *entries)
        size = sum(map(len, entries)) * viewers
        pipeline.execute()
    asked = [
        event(user * 100 + n, user_id=user, video_id=n)
        for user in range(viewers)
        for n in [40, *range(900, 899 + each)]
    ]
    found = tell(redis_server, lambda ledger: ledger.latest_feeds(asked))
    assert found == {uuid(user * 100 + 40): "f39" for user in range(viewers)}
    assert raw.info("commandstats")["cmdstat_evalsha"]["calls"] > size / BYTES_AT_ONCE / 2
