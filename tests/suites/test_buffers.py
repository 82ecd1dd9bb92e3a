"""What every buffer promises, on the local spool and on a real Redis."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.tracking.worlds import decision, event, uuid
from tracking.buffer import Batch, Buffer, Record
from tracking.events import Event
from tracking.redis_buffer import RedisBuffer
from tracking.redis_client import RedisConfig
from tracking.spool import Spool

Make = Callable[[], Buffer]


@pytest.fixture(params=["spool", "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes one more buffer on the same folder or server, as another process would."""

    def spool() -> Buffer:
        return Spool(tmp_path / "spool", segment_bytes=2000)

    def redis() -> Buffer:
        server = request.getfixturevalue("redis_server")
        return RedisBuffer(RedisConfig(host=server.host, port=server.port, timeout=5.0), lease_seconds=0.0)

    return_of = {"spool": spool, "redis": redis}
    return return_of[request.param]


def push(buffer: Buffer, *entries: Any) -> frozenset[str]:
    """Push events and decisions, then let go of the buffer as a process that ends does."""
    records = [Record.of_event(e) if isinstance(e, Event) else Record.of_decision(e) for e in entries]

    async def pushed() -> frozenset[str]:
        try:
            return await buffer.push(records)
        finally:
            await buffer.close()

    return asyncio.run(pushed())


def events_of(batches: Sequence[Batch | None]) -> list[str]:
    return sorted(Event.of_json(body).event_id for batch in batches if batch for body in batch.activities)


def test_an_empty_buffer_has_nothing_to_take(make: Make) -> None:
    assert make().take(10) is None
    assert make().waiting().records == 0


def test_what_is_pushed_is_taken_by_another_process_as_it_was(make: Make) -> None:
    push(make(), event(1), event(2, user_id=8), decision("f1", "AU:1"))
    batch = make().take(100)
    assert events_of([batch]) == [uuid(1), uuid(2)]
    assert batch
    assert batch.decisions == (decision("f1", "AU:1").to_json(),)


def test_what_nobody_acknowledged_is_taken_again(make: Make) -> None:
    push(make(), event(1))
    assert events_of([make().take(10)]) == events_of([make().take(10)]) == [uuid(1)]


def test_what_is_acknowledged_is_gone_and_what_came_meanwhile_is_not(make: Make) -> None:
    push(make(), event(1))
    buffer = make()
    batch = buffer.take(10)
    push(make(), event(2))
    assert batch
    buffer.acknowledge(batch)
    assert events_of([make().take(10)]) == [uuid(2)]


def test_a_released_batch_is_handed_out_again(make: Make) -> None:
    push(make(), event(1))
    buffer = make()
    batch = buffer.take(10)
    assert batch
    buffer.release(batch)
    assert events_of([buffer.take(10)]) == [uuid(1)]


def test_the_same_event_pushed_twice_is_told_as_a_duplicate(make: Make) -> None:
    buffer = make()

    async def twice() -> list[frozenset[str]]:
        told = [await buffer.push([Record.of_event(event(n)) for n in numbers]) for numbers in ([1, 2], [2, 3])]
        await buffer.close()
        return told

    assert asyncio.run(twice()) == [frozenset(), frozenset({uuid(2)})]


def test_waiting_counts_until_acknowledged(make: Make) -> None:
    push(make(), event(1), event(2, user_id=8), decision("f1", "AU:1"))
    buffer = make()
    assert (buffer.waiting().records, buffer.waiting().activities) == (3, 2)
    batch = buffer.take(10)
    assert batch
    assert buffer.waiting().records == 3
    buffer.acknowledge(batch)
    assert (buffer.waiting().records, make().waiting().records) == (0, 0)


def test_many_records_are_taken_in_parts_and_each_once(make: Make) -> None:
    for start in range(0, 60, 20):
        push(make(), *(event(n, user_id=n) for n in range(start, start + 20)))
    buffer, parts = make(), []
    while batch := buffer.take(7):
        parts.append(batch)
        buffer.acknowledge(batch)
    assert events_of(parts) == [uuid(n) for n in range(60)]
    assert len(parts) > 2


def test_pushes_at_once_are_all_kept(make: Make) -> None:
    buffer = make()

    async def together() -> None:
        await asyncio.gather(*(buffer.push([Record.of_event(event(n))]) for n in range(50)))
        await buffer.close()

    asyncio.run(together())
    assert events_of([make().take(100)]) == [uuid(n) for n in range(50)]


def test_what_is_held_waits_on(make: Make) -> None:
    push(make(), event(1))
    make().hold()
    assert events_of([make().take(10)]) == [uuid(1)]
