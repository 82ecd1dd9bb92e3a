"""The work process killed in the middle of a build: whenever that was, a reload says what is served."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.reloads import FINISHED
from data.snapshot import SnapshotStore
from tests.api.server import PATIENCE, Server

POINTER = "the pointer has moved"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Server]:
    """A ready service."""
    server = Server(tmp_path / "service", RELOAD_EVERY="0").start()
    try:
        server.wait_until()
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


@pytest.mark.parametrize("moment", ["starting", "loading", "building", POINTER])
def test_a_work_process_killed_during_a_build_leaves_a_true_record(running: Server, moment: str) -> None:
    store = SnapshotStore(running.data_dir / "snapshots")
    before, work = store.current_id(), running.pids("work")[0]
    asked = running.http.post("/v1/admin/reload", headers=running.admin).json()["reload_id"]
    limit = time.monotonic() + PATIENCE
    while state(running, asked) != moment if moment != POINTER else store.current_id() == before:
        assert time.monotonic() < limit
    os.kill(work, signal.SIGKILL)

    while state(running, asked) not in FINISHED:
        assert time.monotonic() < limit
    told, served = state(running, asked), store.current_id()
    while builders(asked) or running.http.get("/health").json()["work"].get("pid") in (None, work):
        assert time.monotonic() < limit
    assert state(running, asked) == told
    assert store.current_id() == served
    assert told == ("failed" if served == before else "published")

    again = running.http.post("/v1/admin/reload?wait=true", headers=running.admin)
    assert again.status_code == 200, again.text
    assert again.json()["live"]
    assert running.feed(user_id=1)["snapshot_id"] == store.current_id() == again.json()["snapshot_id"] != served
