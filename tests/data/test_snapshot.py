"""A snapshot is whole or refused by name; the pointer moves at once."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from data.snapshot import POINTER, Arrays, Snapshot, SnapshotError, SnapshotStore, write
from data.snapshot_files import COUNTER

DETAILS = {"as_of": "2026-03-01T12:00:00.250000+00:00", "source": "test"}
ARRAYS: Arrays = {
    "ids": np.arange(5),
    "empty": np.zeros((0, 3), np.float32),
    "one": np.array(7),
    "words": np.array(["a", "é"]),
}


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "snapshots")


def test_what_is_read_is_what_was_written(store: SnapshotStore) -> None:
    identity = store.publish(ARRAYS, DETAILS)
    snapshot = store.open_current()
    assert snapshot.id == identity
    assert snapshot.id.startswith("20260301T120000250-")
    assert dict(snapshot.details) == DETAILS
    for name, array in ARRAYS.items():
        assert snapshot.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(snapshot.arrays[name], array)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, min_side=0)))
def test_any_array_of_numbers_survives(
    tmp_path: Path, array: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]"
) -> None:
    identity = write(tmp_path, {"array": array}, DETAILS)
    read = Snapshot.open(tmp_path / identity).arrays["array"]
    assert (read.dtype, read.shape, read.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_arrays_cannot_be_changed(store: SnapshotStore) -> None:
    store.publish(ARRAYS, DETAILS)
    with pytest.raises(ValueError, match="read-only"):
        store.open_current().arrays["ids"][0] = 9


def test_python_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'bad' of type object"):
        write(tmp_path, {"bad": np.array([None])}, DETAILS)


def test_the_same_content_twice_gets_two_ids(store: SnapshotStore) -> None:
    first, second = store.publish(ARRAYS, DETAILS), store.publish(ARRAYS, DETAILS)
    assert first != second
    assert [info.id for info in store.list()] == [second, first]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_anywhere_is_refused_with_the_files_name(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "flips"
    shutil.rmtree(folder, ignore_errors=True)
    path = folder / write(folder, ARRAYS, DETAILS)
    file = data.draw(st.sampled_from(sorted(path.iterdir())))
    content = bytearray(file.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(content)
    named = "manifest" if file.name.startswith("manifest") else file.name
    with pytest.raises(SnapshotError, match=named):
        Snapshot.open(path)


def rewrite_manifest(folder: Path, content: bytes) -> None:
    """Another manifest, with the checksum that fits."""
    (folder / "manifest.json").write_bytes(content)
    (folder / "manifest.sha256").write_text(f"{hashlib.sha256(content).hexdigest()}  manifest.json\n")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"7", b"{}", b'{"format": 2}'])
def test_a_manifest_that_says_nothing_is_refused_by_name(store: SnapshotStore, content: bytes) -> None:
    folder = store.folder / store.publish(ARRAYS, DETAILS)
    rewrite_manifest(folder, content)
    with pytest.raises(SnapshotError, match=r"manifest\.json"):
        store.open_current()


@pytest.mark.parametrize("name", ["ids.npy", "empty.npy", "manifest.json", "manifest.sha256"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_cut_or_missing_file_is_refused_by_name(store: SnapshotStore, name: str, damage: str) -> None:
    file = store.folder / store.publish(ARRAYS, DETAILS) / name
    if damage == "gone":
        file.unlink()
    else:
        os.truncate(file, file.stat().st_size - 1)
    with pytest.raises(SnapshotError, match=r"manifest|" + name):
        store.open_current()


def test_a_manifest_of_another_format_is_refused(store: SnapshotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.snapshot_files.FORMAT", 99)
    store.publish(ARRAYS, DETAILS)
    monkeypatch.undo()
    with pytest.raises(SnapshotError, match="has format 99"):
        store.open_current()


@pytest.mark.parametrize("wrong", [{"dtype": "|O"}, {"dtype": "<i4"}, {"dtype": "?!"}, {"shape": [6]}, {"shape": "x"}])
def test_an_array_that_is_not_what_its_manifest_says_is_refused_by_name(store: SnapshotStore, wrong: object) -> None:
    folder = store.folder / store.publish(ARRAYS, DETAILS)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["arrays"]["ids"] |= wrong
    rewrite_manifest(folder, json.dumps(manifest).encode())
    with pytest.raises(SnapshotError, match=r"ids\.npy"):
        store.open_current()


def test_a_damaged_current_snapshot_falls_back_to_the_newest_whole_one(
    store: SnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [store.publish({"ids": np.arange(number)}, DETAILS) for number in (1, 2, 3, 4)]
    for damaged in (ids[3], ids[2]):
        (store.folder / damaged / "ids.npy").write_bytes(b"")
    assert store.open_current().id == ids[1]
    assert f"serving an older snapshot: id={ids[1]} instead of={ids[3]}" in caplog.text


def test_without_any_snapshot_the_pointer_is_named(store: SnapshotStore) -> None:
    assert store.current_id() is None
    assert store.list() == []
    with pytest.raises(SnapshotError, match=POINTER):
        store.open_current()


@pytest.mark.parametrize("content", ["", "../../etc", "x" * 100, "\udcff"])
def test_a_senseless_pointer_names_nothing(store: SnapshotStore, content: str) -> None:
    store.folder.mkdir()
    (store.folder / POINTER).write_text(content, errors="surrogateescape")
    assert store.current_id() is None


def test_activate_moves_the_pointer_back_and_only_to_a_whole_snapshot(store: SnapshotStore) -> None:
    first, second = (store.publish({"ids": np.arange(number)}, DETAILS) for number in (1, 2))
    store.activate(first)
    assert store.current_id() == first
    (store.folder / second / "ids.npy").unlink()
    for wrong in (second, "20260301T120000250-00000000", "../" + first):
        with pytest.raises(SnapshotError):
            store.activate(wrong)
    assert store.current_id() == first


def test_a_failed_write_leaves_nothing_and_names_the_file(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.publish(ARRAYS, DETAILS)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SnapshotError, match=r"ids\.npy: No space left on device"):
        store.publish(ARRAYS, DETAILS)
    monkeypatch.undo()
    assert sorted(path.name for path in store.folder.iterdir()) == sorted([COUNTER, POINTER, first])


def test_prune_keeps_the_latest_and_the_current_and_sweeps_dead_builds(store: SnapshotStore) -> None:
    ids = [store.publish({"ids": np.arange(number)}, DETAILS) for number in range(5)]
    store.activate(ids[0])
    (store.folder / "building.tmp-999999999-x").mkdir()
    (store.folder / f"building.tmp-{os.getpid()}-x").mkdir()
    mapped = Snapshot.open(store.folder / ids[1]).arrays["ids"]
    assert set(store.prune(2)) == {ids[1], ids[2]}
    assert {path.name for path in store.folder.iterdir()} == {
        COUNTER, POINTER, ids[0], ids[3], ids[4], f"building.tmp-{os.getpid()}-x"
    }  # fmt: skip
    assert mapped.tolist() == [0]


def test_the_manifest_can_be_checked_with_sha256sum(store: SnapshotStore) -> None:
    path = store.folder / store.publish(ARRAYS, DETAILS)
    checksum, name = (path / "manifest.sha256").read_text().split()
    assert hashlib.sha256((path / name).read_bytes()).hexdigest() == checksum
    assert json.loads((path / name).read_text())["details"] == DETAILS


def test_no_id_comes_again_after_pruning(store: SnapshotStore) -> None:
    ids = []
    for _ in range(4):
        ids.append(store.publish(ARRAYS, DETAILS))
        store.prune(1)
    shutil.rmtree(store.folder / ids[-1])
    assert store.publish(ARRAYS, DETAILS) not in ids
    assert len(set(ids)) == 4


def test_damaged_snapshots_are_pruned_before_whole_ones(store: SnapshotStore) -> None:
    ids = [store.publish(ARRAYS, DETAILS) for _ in range(5)]
    (store.folder / ids[2] / "ids.npy").write_bytes(b"")
    (store.folder / ids[3] / "manifest.json").write_bytes(b"")
    assert set(store.prune(3)) == {ids[2], ids[3]}
    assert [info.id for info in store.list()] == [ids[4], ids[1], ids[0]]
