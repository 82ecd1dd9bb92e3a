"""A disk that takes nothing ends no process: what cannot be written is told, and made up for when there is room."""

import errno
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn, cast

import pytest

from api import supervisor
from api.children import Child
from api.files import write_whole
from api.heartbeats import Heartbeats
from api.keeper import Keeper
from api.metrics_files import bury
from api.reloads import Reloads
from api.settings import METRICS_FOLDER, load
from api.supervisor import Supervisor
from api.work import Work
from tests.api.test_metrics_files import COUNT, SHOW, run
from tests.promises.test_snapshot_faults import largest_file


def refuse(*given: object, **named: object) -> NoReturn:
    """What a read-only disk answers."""
    raise OSError(errno.EROFS, "Read-only file system")


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """A parent without children."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    return Supervisor(load(), "all")


def watch(parent: Supervisor, monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], object]) -> None:
    """Let a parent watch its children, with one of the acts after each turn, and an end."""
    waiting = [*acts, int, lambda: parent._on_signal(signal.SIGTERM, None)]
    monkeypatch.setattr(supervisor.time, "sleep", lambda seconds: waiting.pop(0)())
    assert parent._watch() == 0


def test_a_file_that_cannot_be_replaced_stays_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"before")
    with largest_file(3), pytest.raises(OSError, match="File too large"):
        write_whole(tmp_path / "file", b"afterwards")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"before")]


def test_what_a_dead_process_counted_stays_counted_when_it_cannot_be_moved(tmp_path: Path) -> None:
    for room in (3, 1 << 20):
        pid = int(run(tmp_path, COUNT + "print(os.getpid())"))
        with largest_file(room):
            bury(tmp_path, pid)
        assert (tmp_path / f"counter_{pid}.db").exists() == (room == 3)
    assert 'talentfeed_events_total{outcome="accepted"} 6.0' in run(tmp_path, SHOW)


def test_a_dead_process_on_a_read_only_disk_is_told_and_raises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pid = int(run(tmp_path, COUNT + "print(os.getpid())"))
    Heartbeats(tmp_path).beat("serve")
    monkeypatch.setattr(Path, "unlink", refuse)
    bury(tmp_path, pid)
    Heartbeats(tmp_path).remove()
    assert caplog.text.count("Read-only file system") == 2


def test_the_work_process_ends_when_its_lock_was_removed_under_it(
    parent: Supervisor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(load())
    assert work._wait_for_lock()
    work._end_without_lock()
    assert not work._stopping
    (tmp_path / "work.lock").unlink()
    other = Work(load())
    assert other._wait_for_lock()
    work._end_without_lock()
    other._end_without_lock()
    assert (work._stopping, work._code, other._stopping) == (True, 1, False)
    assert "is not the file that was locked" in caplog.text
    work._keeper = cast(Keeper, SimpleNamespace(stop=refuse))
    work._close()  # without a last flush into files that were removed


def test_the_work_process_waits_for_a_disk_that_takes_its_lock(
    parent: Supervisor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[Path] = []

    def take(path: Path) -> int:
        tries.append(path)
        return 5 if len(tries) > 2 else refuse()

    monkeypatch.setattr("api.work.try_lock", take)
    monkeypatch.setattr("api.work.time.sleep", int)
    assert Work(load())._wait_for_lock()
    assert caplog.text.count("Read-only file system") == 1


def test_sighup_on_a_disk_that_takes_nothing_is_told_every_time_and_ends_nothing(
    parent: Supervisor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Reloads, "request", refuse)
    watch(parent, monkeypatch, *[lambda: parent._on_signal(signal.SIGHUP, None)] * 2)
    assert caplog.text.count("SIGHUP is in vain") == 2


def test_a_child_that_the_system_refuses_is_told_once_and_started_when_it_can_be(
    parent: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start = Child.start
    monkeypatch.setattr(Child, "start", refuse)
    parent.children = [Child("worker 1", ["sleep", "60"], environment={METRICS_FOLDER: str(tmp_path)})]
    watch(parent, monkeypatch, int, int, lambda: monkeypatch.setattr(Child, "start", start))
    assert caplog.text.count("Read-only file system") == 1
    parent.children[0].signal(signal.SIGKILL)
    assert parent.children[0].process
    parent.children[0].process.wait()
