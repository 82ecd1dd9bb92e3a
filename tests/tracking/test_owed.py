"""What the ledger missed counts meanwhile, and afterwards for every worker."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.servers import Redis
from tests.tracking.worlds import NOON, event, served
from tracking.events import Event
from tracking.ledger import LedgerUnavailableError
from tracking.local_ledger import LocalLedger
from tracking.owed import MOST_EVENTS, MOST_FEEDS, Owed
from tracking.redis_buffer import RedisBuffer
from tracking.redis_client import RedisConfig
from tracking.redis_ledger import RedisLedger
from tracking.spool import Spool
from tracking.tracker import LEDGER, Tracker

HIDE = {"event_type": "hide", "user_id": 7, "video_id": 5}


def worker(server: Redis, folder: Path, timeout: float = 0.2) -> Tracker:
    config = RedisConfig(host=server.host, port=server.port, timeout=timeout)
    return Tracker(buffer=RedisBuffer(config), spool=Spool(folder / "spool"), ledger=RedisLedger(config))


async def known(tracker: Tracker) -> tuple[Any, ...]:
    seen, missing = await tracker.seen(7, "7:1")
    return seen.served_videos, seen.hidden_videos, seen.last_creators, missing


def test_what_happens_while_redis_is_away_counts_meanwhile_and_afterwards_for_all(
    tmp_path: Path, redis_server: Redis
) -> None:
    async def story() -> None:
        one, other = worker(redis_server, tmp_path), worker(redis_server, tmp_path / "other", timeout=5.0)
        redis_server.freeze()
        try:
            await one.record(served("f1", "AU:12", "NU:4"))
            await one.accept([HIDE], NOON)
            assert await known(one) == ((12, 4), (5,), (112, 104), [LEDGER])
            assert await known(one) == ((12, 4), (5,), (112, 104), [LEDGER])
            assert (await one.seen(7, "another"))[0].served_videos == ()
            assert (await one.seen(8, "7:1"))[0].hidden_videos == ()
        finally:
            redis_server.thaw()
        while (await known(other))[:2] != ((12, 4), (5,)):  # nobody asks the first worker meanwhile
            await asyncio.sleep(0.05)
        for tracker in (one, other):
            await tracker.close()

    asyncio.run(asyncio.wait_for(story(), 60))


def test_a_redis_that_takes_reads_alone_still_has_what_it_missed_heeded(tmp_path: Path, redis_server: Redis) -> None:
    client = redis.Redis(host=redis_server.host, port=redis_server.port)

    async def story() -> None:
        one = worker(redis_server, tmp_path, timeout=5.0)
        await one.record(served("f1", "AU:12"))
        client.config_set("maxmemory", "1mb")
        await one.record(served("f2", "AU:4"))
        await one.accept([HIDE], NOON)
        assert await known(one) == ((12, 4), (5,), (112, 104), [])
        client.config_set("maxmemory", "0")
        await one.close()
        other = worker(redis_server, tmp_path / "other", timeout=5.0)
        assert await known(other) == ((12, 4), (5,), (112, 104), [])
        await other.close()

    asyncio.run(story())


def test_a_damaged_key_holds_up_nobody_elses_acts(redis_server: Redis) -> None:
    client = redis.Redis(host=redis_server.host, port=redis_server.port, db=1)
    client.set("hidden:8", "no set")
    client.set("session:8:1", "no list")

    async def story() -> None:
        ledger = RedisLedger(RedisConfig(host=redis_server.host, port=redis_server.port, timeout=5.0))
        owed = Owed(ledger)
        owed.acts([event(n, "hide", user_id=8 - n % 2) for n in range(4)])
        owed.feed(served("f1", "AU:1", user_id=8, session_id="8:1"))
        owed.feed(served("f2", "AU:2"))
        await owed.settle()
        assert not owed
        seen = await ledger.read(7, "7:1")
        assert (seen.hidden_videos, seen.served_videos) == ((1,), (2,))
        await owed.close()
        await ledger.close()

    asyncio.run(story())


class Away(LocalLedger):
    """A ledger that takes nothing while it is `away`."""

    away = True

    async def acted(self, events: Sequence[Event]) -> None:
        if self.away:
            raise LedgerUnavailableError("away")
        await super().acted(events)


def test_what_is_owed_is_bounded_and_what_is_given_up_is_counted(tmp_path: Path) -> None:
    async def story() -> None:
        ledger = Away(tmp_path / "ledger.sqlite", timeout=30.0)
        owed = Owed(ledger)
        owed.acts([event(n, "hide", user_id=n) for n in range(MOST_EVENTS + 3)])
        for number in range(MOST_FEEDS + 2):
            owed.feed(served(f"f{number}", f"AU:{number + 1}", session_id=f"7:{number}"))
        assert (len(owed), owed.given_up) == (MOST_EVENTS + MOST_FEEDS, 5)
        assert owed.missed(0, "x") == owed.missed(MOST_EVENTS + 9, "7:1") == ([], [], [])
        assert owed.missed(3, "x").hidden == [b"video:1"]
        assert (len(owed.missed(7, "7:1").feeds), len(owed.missed(7, "7:2").feeds)) == (0, 1)
        with pytest.raises(LedgerUnavailableError):
            await owed.settle()
        assert len(owed) == MOST_EVENTS + MOST_FEEDS
        ledger.away = False
        await owed.settle()
        assert not owed
        assert (await ledger.read(MOST_EVENTS + 2, "x")).hidden_videos == (1,)
        assert (await ledger.read(7, f"7:{MOST_FEEDS + 1}")).served_videos == (MOST_FEEDS + 2,)
        await owed.close()
        await ledger.close()

    asyncio.run(story())
