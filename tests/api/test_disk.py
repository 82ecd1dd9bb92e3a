"""A disk that takes no files: what an operator is told, instead of what follows from it."""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from api import disk
from api.errors import ProblemError
from api.operations import Operations
from api.runtime import Runtime
from api.settings import load
from data.snapshot import SnapshotStore
from engine.build.build import build
from engine.config import EngineConfig
from tests.engine.build.worlds import tables, video
from tracking.policies import PolicyStore


@pytest.fixture
def operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operations:
    """Those of a service with one snapshot, of which no process runs."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    store = SnapshotStore(tmp_path / "snapshots")
    store.publish(*build(tables(videos=[video(1)]), EngineConfig()))
    return Operations(Runtime(load(), store, PolicyStore(tmp_path / "policies")))


def state_of_disk(free: int, flags: int = 0) -> SimpleNamespace:
    """What the system says of a disk with so many bytes free."""
    return SimpleNamespace(f_flag=flags, f_bavail=free, f_frsize=1)


@pytest.mark.parametrize(
    ("state", "told"),
    [(state_of_disk(4096), "is full, 4096 bytes are free"), (state_of_disk(1 << 30, os.ST_RDONLY), "is read-only")],
)
def test_a_disk_that_takes_nothing_is_told_instead_of_what_comes_of_it(
    operations: Operations, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: SimpleNamespace, told: str
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda folder: state)
    (problem,) = disk.problems(tmp_path)
    assert problem.startswith("DATA_DIR: ")
    assert told in problem
    assert asyncio.run(operations.health())["problems"] == ["there is no snapshot yet", problem]
    (snapshot,) = operations.snapshots()
    for asked in (operations.request_reload(), operations.activate(snapshot["id"])):
        with pytest.raises(ProblemError, match=told) as refused:
            asyncio.run(asked)
        assert (refused.value.status, refused.value.code) == (503, "disk_refuses")


def test_a_disk_with_room_is_no_problem(tmp_path: Path) -> None:
    assert disk.problems(tmp_path) == []


def test_a_reload_whose_record_cannot_be_written_says_which_file(
    operations: Operations, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "reloads").write_text("no folder")
    operations._heartbeats.beat("work")
    with pytest.raises(ProblemError, match=r"DATA_DIR: .*reloads"):
        asyncio.run(operations.request_reload())
