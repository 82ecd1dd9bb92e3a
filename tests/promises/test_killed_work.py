"""The work process killed in the middle of a build: whenever that was, a reload says what is served."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.reloads import FINISHED
from data.snapshot import SnapshotStore
from tests.api.server import Server
from tests.support.prebuilt import Furnish
from tests.support.waiting import eventually

POINTER = "the pointer has moved"
MOMENTS = ["starting", "loading", "building", POINTER]


@pytest.fixture
def running(tmp_path: Path, furnish: Furnish) -> Iterator[Server]:
    """A ready service."""
    server = Server(tmp_path / "service", RELOAD_EVERY="0")
    furnish(server.data_dir)
    server.start()
    try:
        server.wait_until()
        eventually(lambda: server.pids("work"))
        yield server
    finally:
        server.kill()


def state(server: Server, reload_id: str) -> str:
    """What the service says of a reload."""
    return str(server.http.get(f"/v1/admin/reloads/{reload_id}", headers=server.admin).json()["state"])


def builders(reload_id: str) -> list[int]:
    """Pids of the processes that build it."""
    lines = {path: read(path) for path in Path("/proc").glob("[0-9]*/cmdline")}
    return [int(path.parent.name) for path, line in lines.items() if {b"api.builder", reload_id.encode()} <= line]


def read(path: Path) -> set[bytes]:
    """The words of a process; none when it has just ended."""
    try:
        return set(path.read_bytes().split(b"\0"))
    except OSError:
        return set()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_work_process_killed_during_a_build_leaves_a_true_record(running: Server, moment: str) -> None:
    store = SnapshotStore(running.data_dir / "snapshots")
    before, work = store.current_id(), running.pids("work")[0]
    asked = running.http.post("/v1/admin/reload", headers=running.admin).json()["reload_id"]
    later = [*MOMENTS[MOMENTS.index(moment) :], *FINISHED]  # a moment may pass between two looks
    eventually(lambda: (POINTER if store.current_id() != before else state(running, asked)) in later)
    os.kill(work, signal.SIGKILL)

    eventually(lambda: state(running, asked) in FINISHED)
    told, served = state(running, asked), store.current_id()
    eventually(lambda: running.http.get("/health").json()["work"].get("pid") not in (None, work))
    eventually(lambda: not builders(asked))
    assert state(running, asked) == told
    assert store.current_id() == served
    assert told == ("failed" if served == before else "published")

    again = running.reload()
    assert again["live"]
    assert running.feed(user_id=1)["snapshot_id"] == store.current_id() == again["snapshot_id"] != served
