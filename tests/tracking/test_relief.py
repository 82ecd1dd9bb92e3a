"""While the database is away, Redis stays small: the oldest moves to disk, and comes back first."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import Redis
from tests.tracking.test_flush import Away
from tests.tracking.worlds import event, uuid
from tracking.buffer import Batch, Record
from tracking.dead_letters import DeadLetters
from tracking.events import Event
from tracking.flush import BATCH, Flusher
from tracking.redis_buffer import RedisBuffer
from tracking.redis_client import RedisConfig
from tracking.relief import Relief
from tracking.spool import Spool
from tracking.sqlite_sink import SqliteSink

MOST_BYTES = 4_000


@pytest.fixture
def config(redis_server: Redis) -> RedisConfig:
    return RedisConfig(host=redis_server.host, port=redis_server.port, timeout=5.0)


def push(config: RedisConfig, *numbers: int) -> None:
    async def pushed() -> None:
        buffer = RedisBuffer(config)
        for number in numbers:
            await buffer.push([Record.of_event(event(number, user_id=number + 1))])
        await buffer.close()

    asyncio.run(pushed())


def flusher(config: RedisConfig, sink: Any, folder: Path, cap_bytes: int = 1 << 20) -> Flusher:
    relief = Relief(Spool(folder / "spill", cap_bytes=cap_bytes, name="spill"), MOST_BYTES)
    return Flusher([RedisBuffer(config)], sink, DeadLetters(folder / "dead"), relief=relief)


def stored(folder: Path) -> list[str]:
    return [found.event_id for _, found in SqliteSink(folder / "log.sqlite").activities_after(0, 10_000)]


def test_the_oldest_beyond_the_cap_move_to_disk_and_are_written_first(config: RedisConfig, tmp_path: Path) -> None:
    away = Away(tmp_path / "away.sqlite")
    for start in range(0, 120, 40):
        push(config, *range(start, start + 40))
        flusher(config, away, tmp_path).flush()
    assert RedisBuffer(config).waiting().bytes <= MOST_BYTES
    spilled = Spool(tmp_path / "spill").take(1000)
    assert spilled
    assert sorted(Event.of_json(body).event_id for body in spilled.activities)[:80] == [uuid(n) for n in range(80)]
    push(config, *range(120, 130))
    flusher(config, SqliteSink(tmp_path / "log.sqlite"), tmp_path).flush()
    written = stored(tmp_path)
    assert sorted(written) == [uuid(n) for n in range(130)]
    assert set(written[:80]) == {uuid(n) for n in range(80)}
    assert list((tmp_path / "spill").iterdir()) == []


def test_a_full_spill_leaves_everything_in_redis(config: RedisConfig, tmp_path: Path) -> None:
    push(config, *range(60))
    flusher(config, Away(tmp_path / "away.sqlite"), tmp_path, cap_bytes=100).flush()
    assert RedisBuffer(config).waiting().records == 60
    flusher(config, SqliteSink(tmp_path / "log.sqlite"), tmp_path).flush()
    assert sorted(stored(tmp_path)) == [uuid(n) for n in range(60)]


def test_a_crash_between_copy_and_forgetting_doubles_nothing(
    config: RedisConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(config, *range(60))

    def crash(buffer: RedisBuffer, batch: Batch) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RedisBuffer, "acknowledge", crash)
        with pytest.raises(KeyboardInterrupt):
            flusher(config, Away(tmp_path / "away.sqlite"), tmp_path).flush()
    after = flusher(config, SqliteSink(tmp_path / "log.sqlite"), tmp_path)
    after.recover()
    after.flush()
    assert sorted(stored(tmp_path)) == [uuid(n) for n in range(60)]
    assert all(waiting and not waiting.records for waiting in after.waiting().values())


def test_a_backlog_is_written_no_faster_than_asked(config: RedisConfig, tmp_path: Path) -> None:
    spool, slept, now = Spool(tmp_path / "spool"), list[float](), [0.0]
    spool.keep(Batch(tuple(event(n).to_json() for n in range(3 * BATCH)), (), None, 1.0))

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    paced = Flusher(
        [spool], SqliteSink(tmp_path / "log.sqlite"), DeadLetters(tmp_path / "dead"), rows_per_second=float(BATCH),
        clock=lambda: now[0], sleep=sleep,
    )  # fmt: skip
    assert paced.flush(seconds=1.5).written == 2 * BATCH
    assert slept == [1.0, 1.0]
    assert paced.flush().written == BATCH
