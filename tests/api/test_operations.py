"""When a reload counts as live: every worker that is heard of has switched to its snapshot, on whichever machine."""

import time
from pathlib import Path

import pytest

from api.files import write_json
from api.operations import Operations
from api.runtime import Runtime
from api.settings import load
from data.snapshot import SnapshotStore
from tracking.policies import PolicyStore

OLD, NEW = "the old snapshot", "the new snapshot"


@pytest.fixture
def operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operations:
    """Those of a DATA_DIR in which nothing runs."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    return Operations(Runtime(load(), SnapshotStore(tmp_path / "snapshots"), PolicyStore(tmp_path / "policies")))


def is_live(operations: Operations, **history: list[str]) -> bool:
    """Of a reload whose snapshot is the new one, when workers, each on a machine of its own, have served these."""
    runtime = operations._runtime
    for host, served in history.items():
        state = {"pid": 1, "host": host, "role": "serve", "beat_at": time.time(), "generation": 1, "switched_at": 1.0}
        state |= {"snapshot_id": served[-1], "policy_version": "untrained", "history": served}
        write_json(runtime.heartbeats.folder / f"{host}-1.json", state)
    asked = runtime.reloads.request("test")
    runtime.reloads.update(asked, state="published", snapshot_id=NEW)
    found = operations.reload_state(asked)
    assert [worker["host"] for worker in found["workers"]] == sorted(history)
    return bool(found["live"])


def test_a_reload_that_all_workers_serve_is_live(operations: Operations) -> None:
    assert is_live(operations, first=[OLD, NEW], second=[NEW])


def test_a_reload_that_one_worker_does_not_serve_yet_is_not_live(operations: Operations) -> None:
    assert not is_live(operations, first=[OLD, NEW], second=[OLD])


def test_a_reload_that_was_served_before_a_later_one_was_live(operations: Operations) -> None:
    assert is_live(operations, first=[OLD, NEW, "a later snapshot"])


def test_without_workers_nothing_is_live(operations: Operations) -> None:
    assert not is_live(operations)
