"""A disk that takes nothing more: what it refuses leaves nothing behind, and costs nobody time."""

import asyncio
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tracking.worlds import event, uuid
from tracking import segments, spool
from tracking.buffer import BufferUnavailableError, Record
from tracking.events import Event
from tracking.spool import Spool

REFUSED = """
import asyncio, json, resource, sys
from pathlib import Path
from tests.tracking.worlds import event
from tracking.buffer import BufferUnavailableError, Record
from tracking.spool import Spool

def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def story(folder, before, size, at_once, durable):
    spool, refused, files = Spool(folder), 0, 0
    for number in range(before):
        await spool.push([Record.of_event(event(number))], durable=durable)
    room(size)
    for number in range(100, 400, at_once):
        try:
            await spool.push([Record.of_event(event(number + n)) for n in range(at_once)], durable=durable)
        except BufferUnavailableError:
            refused += 1
        files = max(files, len(list(folder.iterdir())))
    room(resource.RLIM_INFINITY)
    await spool.push([Record.of_event(event(400))], durable=durable)
    files = max(files, len(list(folder.iterdir())))
    await spool.close()
    print(json.dumps([refused, files]))

folder, *numbers = sys.argv[1:]
asyncio.run(story(Path(folder), *map(int, numbers)))
"""
LENGTH = len(segments.frame(event(100).to_json()))


async def push(local: Spool, *numbers: int, durable: bool = True) -> None:
    await local.push([Record.of_event(event(n)) for n in numbers], durable=durable)


def drained(folder: Path) -> list[str]:
    local, found = Spool(folder), list[str]()
    while batch := local.take(1000):
        found += [Event.of_json(body).event_id for body in batch.activities]
        local.acknowledge(batch)
    return found


@pytest.mark.parametrize("durable", [1, 0])
@pytest.mark.parametrize(
    ("before", "size", "at_once"),
    [(0, 0, 1), (0, 10, 1), (2, LENGTH * 2 + 10, 1), (0, LENGTH * 2 + 10, 5), (2, LENGTH * 4 + 10, 5)],
    ids=["at once", "within the first record", "within a record", "behind whole records", "behind refused records"],
)
def test_what_a_full_disk_refuses_leaves_nothing_behind(
    tmp_path: Path, before: int, size: int, at_once: int, durable: int
) -> None:
    numbers = [str(number) for number in (before, size, at_once, durable)]
    ran = subprocess.run(
        [sys.executable, "-c", REFUSED, str(tmp_path), *numbers], capture_output=True, text=True, timeout=60, check=True
    )
    refused, files = json.loads(ran.stdout)
    assert (refused, ran.stderr) == (300 // at_once, "")
    assert files <= 1 + (before > 0 and at_once > 1)  # what follows whole records that were cut off is a new segment
    assert drained(tmp_path) == [uuid(n) for n in (*range(before), 400)]
    assert list(tmp_path.iterdir()) == []


def test_a_flusher_that_read_what_was_then_refused_finds_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flusher, found = Spool(tmp_path), list[str]()

    def flush() -> None:
        while batch := flusher.take(10):
            found.extend(Event.of_json(body).event_id for body in batch.activities)
            flusher.acknowledge(batch)

    def full(segment: segments.Segment) -> None:
        flush()
        raise OSError(errno.ENOSPC, "No space left on device")

    async def story() -> None:
        local = Spool(tmp_path)
        await push(local, 1)
        with monkeypatch.context() as patched:
            patched.setattr(segments.Segment, "sync", full)
            with pytest.raises(BufferUnavailableError, match="No space"):
                await push(local, 2, 3)
        await push(local, 4)
        flush()
        await local.close()

    asyncio.run(story())
    flush()
    assert found == [uuid(n) for n in (1, 2, 3, 4)]
    assert flusher.waiting().records == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", [0, 1])
def test_a_torn_record_that_cannot_be_cut_off_stays_the_last_of_its_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    append = segments.Segment.append

    def torn(segment: segments.Segment, frames: bytes) -> None:
        append(segment, frames[:20])
        raise OSError(errno.EIO, "Input/output error")

    def broken(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async def story() -> None:
        local = Spool(tmp_path)
        if before:
            await push(local, 1)
        with monkeypatch.context() as patched:
            patched.setattr(segments.Segment, "append", torn)
            patched.setattr(os, "ftruncate", broken)
            for _ in range(3):
                with pytest.raises(BufferUnavailableError, match="Input/output"):
                    await push(local, 2)
        await push(local, 3)
        await local.close()

    asyncio.run(story())
    assert drained(tmp_path) == [uuid(n) for n in (1, 3) if before or n == 3]
    assert [path.suffix for path in tmp_path.iterdir()] == [".torn"] * before


def test_a_segment_that_gets_no_name_leaves_no_file_and_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            segments.Segment(tmp_path / "activity-1.log")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_not_measured_for_every_segment_that_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(path: Path) -> tuple[int, int]:
        raise AssertionError(f"{path} was measured a moment ago")

    monkeypatch.setattr(spool, "MEASURE_SECONDS", 60.0)
    monkeypatch.setattr(segments, "noted", look)

    async def story() -> None:
        local = Spool(tmp_path, segment_bytes=1)
        for number in range(5):
            await push(local, number, durable=False)
        await local.close()

    asyncio.run(story())
    assert len(list(tmp_path.iterdir())) == 5
