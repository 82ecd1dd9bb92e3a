"""Snapshots on disks that are full, read-only or damaged: found out, named, and the one before is served."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from data.snapshot import POINTER, SnapshotError, SnapshotStore

DETAILS = {"as_of": "2026-03-01T12:00:00+00:00"}
SMALL = {"ids": np.arange(10), "text": np.zeros(100, np.uint8)}
LARGE = {"ids": np.arange(1_000), "text": np.zeros(3_000_000, np.uint8)}


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    """A store with one good snapshot."""
    store = SnapshotStore(tmp_path / "snapshots")
    store.publish(SMALL, DETAILS)
    return store


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, empty, Path.unlink])
@pytest.mark.parametrize("name", ["ids.npy", "text.npy", "manifest.json", "manifest.sha256"])
def test_a_damaged_snapshot_is_named_and_the_one_before_is_served(
    store: SnapshotStore, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None], name: str
) -> None:
    before, identity = store.current_id(), store.publish(LARGE, DETAILS)
    damage(store.folder / identity / name)
    assert store.open_current().id == before
    refused = [record.getMessage() for record in caplog.records if "snapshot refused" in record.getMessage()]
    assert any(identity in words and Path(name).stem in words for words in refused)


def test_a_damaged_pointer_is_no_disaster(store: SnapshotStore) -> None:
    before = store.current_id()
    (store.folder / POINTER).write_bytes(b"\x00\xff" * 100)
    assert store.open_current().id == before


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes (Python ignores SIGXFSZ: writing fails)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_may_not_grow_refuses_the_snapshot_by_name(store: SnapshotStore) -> None:
    before = sorted(path.name for path in store.folder.iterdir())
    with largest_file(1_000_000), pytest.raises(SnapshotError, match=r"text\.npy: File too large"):
        store.publish(LARGE, DETAILS)
    assert sorted(path.name for path in store.folder.iterdir()) == before
    assert store.open_current().arrays["ids"].tolist() == list(range(10))


PROLOGUE = """
import subprocess, sys
from pathlib import Path
import numpy as np
from data.snapshot import SnapshotError, SnapshotStore
folder, details = Path(sys.argv[1]), {"as_of": "2026-03-01T12:00:00+00:00"}
def mount(*options):
    if subprocess.run(["mount", *options, str(folder)], capture_output=True).returncode:
        sys.exit(77)
"""
FULL_DISK = """
mount("-t", "tmpfs", "-o", "size=2m", "tmpfs")
store = SnapshotStore(folder / "snapshots")
first = store.publish({"ids": np.arange(10)}, details)
try:
    store.publish({"ids": np.arange(10), "text": np.ones(9_000_000, np.uint8)}, details)
except SnapshotError as error:
    print(error)
left = sorted(path.name for path in store.folder.iterdir())
print(left == sorted(["CURRENT", "ORDER", first]), store.open_current().id == first)
"""
READ_ONLY = """
mount("--bind", str(folder))
mount("-o", "remount,ro,bind")
"""
NO_RIGHT = """
import ctypes
folder.chmod(0o555)  # which root heeds once it has given up all its capabilities
assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0
"""
WRITE = """
store = SnapshotStore(folder)
before = store.current_id()
for act in (lambda: store.publish({"ids": np.arange(3)}, details), lambda: store.activate(before)):
    try:
        act()
    except SnapshotError as error:
        print(error)
print(store.open_current().id == before)
"""


def in_own_namespace(script: str, folder: Path) -> str | None:
    """What a script prints that may mount disks, for itself alone; None where that is not allowed."""
    return printed(script, folder, "unshare", "--user", "--map-root-user", "--mount")


def printed(script: str, folder: Path, *before: str) -> str | None:
    """What a script prints in a process of its own."""
    command = [*before, sys.executable, "-c", PROLOGUE + script, str(folder)]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError:
        return None
    if done.returncode == 77 or done.stderr.startswith("unshare:"):
        return None
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_full_disk_refuses_the_snapshot_by_name_and_leaves_nothing(tmp_path: Path) -> None:
    said = in_own_namespace(FULL_DISK, tmp_path)
    if said is None:
        with largest_file(0), pytest.raises(SnapshotError, match=r"npy: File too large"):
            SnapshotStore(tmp_path / "snapshots").publish(SMALL, DETAILS)
        return
    assert "text.npy: No space left on device" in said
    assert "True True" in said


def test_a_read_only_folder_is_named_and_still_served(store: SnapshotStore) -> None:
    told = {"Read-only file system": in_own_namespace(READ_ONLY + WRITE, store.folder)}
    told["Permission denied"] = printed(NO_RIGHT + WRITE, store.folder)
    store.folder.chmod(0o755)
    assert told["Permission denied"]
    for problem, said in told.items():
        if said is not None:
            assert said.count(problem) == 2
            assert said.count(str(store.folder)) == 2
            assert said.endswith("True\n")
    assert store.open_current().arrays["ids"].tolist() == list(range(10))
