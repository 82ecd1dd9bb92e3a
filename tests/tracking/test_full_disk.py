"""A flush whose disk takes nothing more: nobody else waits for it, nothing is lost, and what is stored makes room."""

import asyncio
import errno
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tracking.worlds import event, uuid
from tracking.buffer import Batch, Record
from tracking.dead_letters import DeadLetter, DeadLetters
from tracking.flush import Flusher
from tracking.spool import Spool
from tracking.sqlite_sink import SqliteSink

FULL = """
import asyncio, json, resource, sys
from pathlib import Path
from tests.tracking.worlds import event
from tracking.buffer import Record
from tracking.dead_letters import DeadLetters
from tracking.flush import Flusher
from tracking.spool import Spool

class Memory:
    rows = []

    def write_activities(self, events):
        self.rows += [event.event_id for event in events]
        return []

    def write_decisions(self, decisions):
        return []

def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def story(folder):
    clock, told, writer = [0.0], [], Spool(folder / "used")
    await writer.push([Record.of_event(event(1))])
    buffers = [Spool(folder / name) for name in ("used", "left", "late")]
    flusher = Flusher(buffers, Memory(), DeadLetters(folder / "dead"), clock=lambda: clock[0])
    for size in (0, 0, resource.RLIM_INFINITY):
        room(size)
        told.append([flusher.flush().problems, flusher.resting, sorted(path.suffix for path in folder.rglob("*.*"))])
        clock[0] += 60.0
    await writer.push([Record.of_event(event(4))])
    told.append([flusher.flush().problems, flusher.resting, sorted(path.suffix for path in folder.rglob("*.*"))])
    await writer.close()
    print(json.dumps([told, Memory.rows]))

asyncio.run(story(Path(sys.argv[1])))
"""


class Full(Spool):
    """A spool that can write no note."""

    def acknowledge(self, batch: Batch) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


class FullLetters(DeadLetters):
    """Letters that no disk takes."""

    def add(self, letters: list[DeadLetter]) -> None:
        if letters:
            raise OSError(errno.ENOSPC, "No space left on device")


def push(spool: Spool, *records: Record) -> None:
    async def pushed() -> None:
        await spool.push(records)
        await spool.close()

    asyncio.run(pushed())


def test_what_one_buffer_cannot_note_holds_back_no_other(tmp_path: Path) -> None:
    clock, sink = [0.0], SqliteSink(tmp_path / "log.sqlite")
    full, other = Full(tmp_path / "full", name="spill"), Spool(tmp_path / "other")
    push(full, Record.of_event(event(1)))
    push(other, Record.of_event(event(2)))
    flusher = Flusher([full, other], sink, DeadLetters(tmp_path / "dead"), clock=lambda: clock[0])
    report = flusher.flush()
    assert (report.written, report.problems) == (2, ["spill: [Errno 28] No space left on device"])
    assert [found.event_id for _, found in sink.activities_after(0, 10)] == [uuid(1), uuid(2)]
    assert other.waiting().records == 0
    assert flusher.resting
    clock[0] = 1.0
    assert not flusher.resting
    flusher.flush()
    clock[0] = 2.0
    assert flusher.resting


def test_a_refused_row_whose_letter_cannot_be_kept_waits_and_holds_back_no_other_buffer(tmp_path: Path) -> None:
    sink, first, other = SqliteSink(tmp_path / "log.sqlite"), Spool(tmp_path / "first"), Spool(tmp_path / "other")
    refused = replace(event(1), session_id="x" * 65)
    push(first, Record.of_event(refused))
    push(other, Record.of_event(event(2)))
    report = Flusher([first, other], sink, FullLetters(tmp_path / "dead")).flush()
    assert (report.written, report.refused) == (1, 0)
    assert (first.waiting().records, other.waiting().records) == (1, 0)
    letters = DeadLetters(tmp_path / "dead")
    assert Flusher([first, other], sink, letters).flush().problems == []
    assert [letter.id for letter in letters.letters()] == [refused.event_id]


def test_on_a_full_disk_all_is_stored_once_and_finished_segments_make_room(tmp_path: Path) -> None:
    push(Spool(tmp_path / "left"), Record.of_event(event(2)))
    push(Spool(tmp_path / "late"), Record.of_event(event(3)))
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    (first, second, roomy, later), rows = json.loads(ran.stdout)
    assert first == [["local: [Errno 27] File too large"], True, [".log"]]
    assert second == roomy == [[], False, [".log"]]
    assert later == [[], False, [".log", ".offset"]]
    assert sorted(rows) == [uuid(n) for n in (1, 2, 3, 4)]


def test_a_note_that_fails_leaves_no_file_and_repeats_nothing_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    push(Spool(tmp_path), *(Record.of_event(event(n)) for n in (1, 2)))
    spool = Spool(tmp_path)
    first = spool.take(1)
    assert first
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space"):
            spool.acknowledge(first)
    assert [path.suffix for path in tmp_path.iterdir()] == [".log"]
    second = spool.take(10)
    assert second
    assert (spool.waiting().records, len(second)) == (1, 1)
    spool.acknowledge(second)
    assert list(tmp_path.iterdir()) == []
