"""The second place of files while the disk of DATA_DIR takes none: found by all, used by its owner alone."""

import errno
import os
from pathlib import Path

import pytest
from prometheus_client.multiprocess import MultiProcessCollector

from api import metrics_folders, spare
from api.files import write_json
from api.heartbeats import Heartbeats
from api.metrics_files import bury, reserve
from tests.api.test_metrics_files import COUNT, run


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DATA_DIR; what stands for the machine's memory is beside it."""
    (tmp_path / "memory").mkdir()
    monkeypatch.setattr(spare, "MEMORY", tmp_path / "memory")
    return tmp_path / "var"


def fill(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    """From now on files below the folder get no room."""
    take = os.posix_fallocate

    def refuse(descriptor: int, offset: int, size: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(data_dir):
            raise OSError(errno.ENOSPC, "No space left on device")
        take(descriptor, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", refuse)


def test_both_places_know_each_other(data_dir: Path) -> None:
    assert spare.both(data_dir / "metrics") == [data_dir / "metrics"]
    second = spare.make(data_dir / "metrics")
    assert second.is_dir()
    assert spare.both(data_dir / "metrics") == spare.both(second) == [data_dir / "metrics", second]
    assert spare.make(second) == second


def test_a_place_that_others_may_write_to_is_not_used(data_dir: Path) -> None:
    spare.make(data_dir)
    (root,) = spare.MEMORY.iterdir()
    root.chmod(0o777)
    assert spare.both(data_dir) == [data_dir]
    with pytest.raises(PermissionError, match="another user's"):
        spare.make(data_dir)


def test_a_place_that_is_cleared_leaves_nothing(data_dir: Path) -> None:
    for name in ("metrics/work", "metrics/serve-here"):
        (spare.make(data_dir / name) / "counter_1.db").touch()
    spare.clear(data_dir / "metrics/work")
    assert len(list(spare.MEMORY.rglob("*.db"))) == 1
    spare.clear(data_dir / "metrics/serve-here")
    assert list(spare.MEMORY.rglob("*")) == []


def test_a_process_that_starts_on_a_full_disk_is_counted_with_the_others(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = metrics_folders.of(data_dir, "serve")
    assert metrics_folders.with_room(folder) == folder
    run(folder, COUNT)
    fill(monkeypatch, data_dir)
    place = metrics_folders.with_room(folder)
    assert place != folder
    assert "No space left on device" in caplog.text
    pid = int(run(place, COUNT + "print(os.getpid())"))
    reserve(folder, pid)
    for _ in range(2):
        assert metrics_folders.shown(folder) == metrics_folders.shown(place)
        assert total(metrics_folders.shown(folder)) == 6.0
        bury(folder, pid)
    assert not list(place.glob(f"*_{pid}.db"))
    assert metrics_folders.with_room(place) == place


def total(files: list[Path]) -> float:
    """The accepted events that these files count."""
    samples = [
        sample for metric in MultiProcessCollector.merge([str(file) for file in files]) for sample in metric.samples
    ]
    return float(sum(sample.value for sample in samples if sample.labels.get("outcome") == "accepted"))


def test_a_disk_and_a_memory_without_room_leave_the_first_place(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = metrics_folders.of(data_dir, "serve")
    fill(monkeypatch, data_dir.parent)
    assert metrics_folders.with_room(folder) == folder
    assert "no room for the metrics" in caplog.text
    (folder / "counter_5.db").write_bytes(bytes(10))
    with pytest.raises(OSError, match="No space left"):
        reserve(folder, 5)


def test_a_heartbeat_on_a_read_only_disk_is_seen_and_goes_home_again(data_dir: Path) -> None:
    heartbeats = Heartbeats(data_dir / "workers")
    data_dir.touch()
    for generation in (1, 2):
        with pytest.raises(OSError, match=r"Not a directory|File exists"):
            heartbeats.beat("serve", generation=generation)
        (state,) = heartbeats.alive("serve")
        assert state["generation"] == generation
    data_dir.unlink()
    heartbeats.beat("serve", generation=3)
    assert [state["generation"] for state in heartbeats.alive("serve")] == [3]
    assert not list(spare.MEMORY.rglob("*.json"))
    heartbeats.remove()
    assert heartbeats.alive("serve") == []


def test_of_two_heartbeats_of_a_process_the_latest_counts(data_dir: Path) -> None:
    heartbeats = Heartbeats(data_dir / "workers")
    heartbeats.beat("serve", generation=1)
    (old,) = heartbeats.alive("serve")
    write_json(spare.make(heartbeats.folder) / "other.json", {**old, "beat_at": old["beat_at"] + 1, "generation": 2})
    assert [state["generation"] for state in heartbeats.alive("serve")] == [2]
