"""Redis frozen, slow or gone: events lie on the local disk at once, feeds go on and say what they lack."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.feed_types import Seen
from tests.support.proxy import Proxy
from tests.support.servers import Redis
from tests.tracking.worlds import served
from tracking.buffer import BufferFullError
from tracking.dead_letters import DeadLetters
from tracking.flush import Flusher
from tracking.redis_buffer import RedisBuffer
from tracking.redis_client import Breaker, RedisConfig
from tracking.redis_ledger import RedisLedger
from tracking.redis_link import RedisLink
from tracking.redis_recorder import RedisRecorder
from tracking.spool import Spool
from tracking.sqlite_sink import SqliteSink
from tracking.tracker import BUFFER, LEDGER, Tracker

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
VIEW = {"event_type": "video_view", "user_id": 7, "video_id": 1}


@pytest.fixture
def proxy(redis_server: Redis) -> Iterator[Proxy]:
    with Proxy(redis_server.host, redis_server.port) as made:
        yield made


@asynccontextmanager
async def tracker(
    proxy: Proxy, folder: Path, *, cap_bytes: int = 1 << 20, pause: float = 0.0
) -> AsyncIterator[Tracker]:
    """A worker's tracker on Redis behind the proxy."""
    config, breaker = RedisConfig(host=proxy.host, port=proxy.port, timeout=0.05), Breaker(pause=pause)
    link = RedisLink(config)
    made = Tracker(
        buffer=RedisBuffer(config, breaker=breaker, link=link),
        spool=Spool(folder / "spool", cap_bytes=cap_bytes),
        ledger=RedisLedger(config, breaker=breaker, link=link),
        recorder=RedisRecorder(link, breaker, ttl_seconds=86_400),
    )
    try:
        yield made
    finally:
        await made.close()


async def durability(made: Tracker) -> str:
    return (await made.accept([VIEW], NOW)).durability


async def settled(made: Tracker) -> None:
    """Wait until Redis takes events (the first exchange opens the connection, which may take long)."""
    while await durability(made) != "redis":
        await asyncio.sleep(0.05)


def stored(proxy: Proxy, folder: Path) -> int:
    sink = SqliteSink(folder / "log.sqlite")
    buffers = [RedisBuffer(RedisConfig(host=proxy.host, port=proxy.port)), Spool(folder / "spool")]
    assert Flusher(buffers, sink, DeadLetters(folder / "dead")).flush().problems == []
    return len(sink.activities_after(0, 1000))


@pytest.mark.parametrize("how", ["frozen", "slow", "gone"])
def test_events_go_to_the_local_disk_and_feeds_go_on(
    redis_server: Redis, proxy: Proxy, tmp_path: Path, how: str
) -> None:
    async def story() -> None:
        async with tracker(proxy, tmp_path) as made:
            await settled(made)
            if how == "frozen":
                redis_server.freeze()
            elif how == "slow":
                proxy.delay = 0.5
            else:
                proxy.refusing = True
                proxy.cut()
            assert await durability(made) == "local"
            seen, missing = await made.seen(7, "7:1")
            degraded = await made.record(served("f1", "AU:1"))
            assert (seen, missing, degraded) == (Seen(watched_videos=(1,)), [LEDGER], [BUFFER, LEDGER])
            redis_server.thaw()
            proxy.heal()
            await settled(made)

    asyncio.run(story())
    assert stored(proxy, tmp_path) >= 4
    assert Spool(tmp_path / "spool").waiting().records == 0


def test_one_failure_spares_the_ledger_and_the_buffer_the_wait(
    redis_server: Redis, proxy: Proxy, tmp_path: Path
) -> None:
    async def story() -> None:
        async with tracker(proxy, tmp_path, pause=60.0) as made:
            redis_server.freeze()
            exchanges = proxy.accepted
            for _ in range(3):
                assert await durability(made) == "local"
            assert proxy.accepted - exchanges <= 1
            redis_server.thaw()

    asyncio.run(story())


def test_with_the_disk_at_its_cap_too_nothing_is_accepted(proxy: Proxy, tmp_path: Path) -> None:
    async def story() -> None:
        async with tracker(proxy, tmp_path, cap_bytes=400) as made:
            proxy.refusing = True
            assert await durability(made) == "local"
            with pytest.raises(BufferFullError):
                await made.accept([VIEW] * 5, NOW)
            degraded = await made.record(served("f1", "AU:1"))
            assert degraded == [BUFFER, LEDGER]

    asyncio.run(story())
