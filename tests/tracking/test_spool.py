import asyncio
import shutil
from pathlib import Path

import pytest

from tests.tracking.worlds import event, uuid
from tracking import segments
from tracking.buffer import BufferFullError, BufferUnavailableError, Record
from tracking.events import Event
from tracking.spool import Spool


def push(spool: Spool, *numbers: int) -> None:
    async def pushed() -> None:
        try:
            await spool.push([Record.of_event(event(n)) for n in numbers])
        finally:
            await spool.close()

    asyncio.run(pushed())


def drained(spool: Spool) -> list[str]:
    found = []
    while batch := spool.take(10):
        found += [Event.of_json(body).event_id for body in batch.activities]
        spool.acknowledge(batch)
    return found


@pytest.mark.parametrize("cut", [1, 7, 30])
def test_a_torn_tail_costs_only_the_torn_record(tmp_path: Path, cut: int) -> None:
    push(Spool(tmp_path), 1, 2, 3)
    [path] = tmp_path.glob("*.log")
    path.write_bytes(path.read_bytes()[:-cut])
    assert drained(Spool(tmp_path)) == [uuid(1), uuid(2)]


def test_a_flipped_bit_is_kept_for_people_and_not_stored(tmp_path: Path) -> None:
    push(Spool(tmp_path), 1, 2)
    [path] = tmp_path.glob("*.log")
    damaged = bytearray(path.read_bytes())
    damaged[-3] ^= 1
    path.write_bytes(damaged)
    assert drained(Spool(tmp_path)) == [uuid(1)]
    assert [kept.suffix for kept in tmp_path.iterdir()] == [".torn"]


def test_stored_segments_are_cleared_away(tmp_path: Path) -> None:
    push(Spool(tmp_path), 1, 2)
    drained(Spool(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_segment_in_use_stays_and_goes_on_being_read(tmp_path: Path) -> None:
    async def story() -> list[str]:
        writer, reader = Spool(tmp_path), Spool(tmp_path)
        await writer.push([Record.of_event(event(1))])
        found = drained(reader)
        await writer.push([Record.of_event(event(2))])
        found += drained(reader)
        await writer.close()
        return found

    assert asyncio.run(story()) == [uuid(1), uuid(2)]


def test_a_record_after_a_failed_write_is_not_lost_behind_the_torn_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = segments.Segment.append

    def torn(segment: segments.Segment, frames: bytes) -> None:
        real(segment, frames[: len(frames) // 2])
        raise OSError("disk full")

    async def story() -> None:
        spool = Spool(tmp_path)
        await spool.push([Record.of_event(event(1))])
        with monkeypatch.context() as patched:
            patched.setattr(segments.Segment, "append", torn)
            with pytest.raises(BufferUnavailableError, match="disk full"):
                await spool.push([Record.of_event(event(2))])
        await spool.push([Record.of_event(event(3))])
        await spool.close()

    asyncio.run(story())
    assert drained(Spool(tmp_path)) == [uuid(1), uuid(3)]


def test_at_its_cap_it_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    push(Spool(tmp_path, cap_bytes=400), 1)
    with pytest.raises(BufferFullError, match="400"):
        push(Spool(tmp_path, cap_bytes=400), 2, 3)
    assert drained(Spool(tmp_path)) == [uuid(1)]


def test_an_offset_that_moved_back_only_repeats(tmp_path: Path) -> None:
    async def story() -> list[str]:
        writer, slow, fast = Spool(tmp_path), Spool(tmp_path), Spool(tmp_path)
        await writer.push([Record.of_event(event(n)) for n in (1, 2)])
        first, everything = slow.take(1), fast.take(10)
        assert first
        assert everything
        fast.acknowledge(everything)
        slow.acknowledge(first)
        found = drained(Spool(tmp_path))
        await writer.close()
        return found

    assert asyncio.run(story()) == [uuid(2)]


def test_a_segment_that_another_flusher_finished_gets_no_note(tmp_path: Path) -> None:
    push(Spool(tmp_path), 1, 2)
    slow, fast = Spool(tmp_path), Spool(tmp_path)
    first, everything = slow.take(1), fast.take(10)
    assert first
    assert everything
    fast.acknowledge(everything)
    slow.acknowledge(first)
    assert slow.take(10) is None
    assert list(tmp_path.iterdir()) == []


def test_a_note_that_a_crash_left_half_written_goes_with_its_segment(tmp_path: Path) -> None:
    push(Spool(tmp_path), 1)
    [path] = tmp_path.glob("*.log")
    path.with_suffix(".1a2b3c4d").touch()
    assert drained(Spool(tmp_path)) == [uuid(1)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("durable", [True, False])
def test_a_record_after_the_folder_was_deleted_is_kept_in_a_new_one(tmp_path: Path, durable: bool) -> None:
    async def story() -> None:
        spool = Spool(tmp_path / "spool")
        await spool.push([Record.of_event(event(1))], durable=durable)
        shutil.rmtree(tmp_path / "spool")
        await spool.push([Record.of_event(event(2))], durable=durable)
        await spool.close()

    asyncio.run(story())
    assert drained(Spool(tmp_path / "spool")) == [uuid(2)]


def test_an_offset_that_a_power_cut_emptied_only_repeats(tmp_path: Path) -> None:
    push(Spool(tmp_path), 1, 2)
    spool = Spool(tmp_path)
    batch = spool.take(1)
    assert batch
    spool.acknowledge(batch)
    [offset] = tmp_path.glob("*.offset")
    offset.write_text("")
    push(Spool(tmp_path), 3)
    assert drained(Spool(tmp_path)) == [uuid(1), uuid(2), uuid(3)]
