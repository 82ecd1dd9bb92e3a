"""A whole service on a disk that fills up, under its own parent and under gunicorn.

The disk is a real one of a few megabytes where mounting one is allowed. Everywhere the same story is told of folders
that take no files, which every process finds out in its own way as well.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api import spare
from tests.api.server import ROOT, Server
from tests.api.test_gunicorn import COMMAND
from tests.support.prebuilt import Furnish
from tests.support.waiting import eventually

MOUNTED = 'mount -t tmpfs -o size=32m tmpfs "$0" && cp -r "$1"/. "$0" && shift && exec "$@"'
UNSHARED = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
TAKEN = ("metrics", "workers", "reloads")


class Refusing(Server):
    """A service some folders of whose DATA_DIR can be made to take no files, whoever it runs as."""

    complaint = "DATA_DIR: [Errno"

    def begin(self, furnish: Furnish, command: list[str]) -> None:
        """Start it with this command, with a snapshot to serve."""
        furnish(self.data_dir)
        self.run(command)

    def run(self, command: list[str]) -> None:
        with (self.folder / "output").open("ab") as output:
            settings = {**self.environment, "PORT": str(self.port)}
            self.process = subprocess.Popen(command, cwd=ROOT, env=settings, stdout=output, stderr=output)

    def fill(self) -> None:
        """From now on it takes nothing; once more: of what became free meanwhile."""
        for name in TAKEN:
            if not (self.data_dir / name).is_file():
                (self.data_dir / name).mkdir(exist_ok=True)
                (self.data_dir / name).rename(self.folder / name)
                (self.data_dir / name).touch()

    def free(self) -> None:
        """It takes files again."""
        for name in TAKEN:
            (self.data_dir / name).unlink()
            (self.folder / name).rename(self.data_dir / name)

    @property
    def said(self) -> str:
        """What its processes wrote, into the log or not."""
        return self.log.read_text() + (self.folder / "output").read_text()


class SmallDisk(Refusing):
    """A service whose DATA_DIR is a disk that only its own processes see."""

    complaint = "is full"

    def begin(self, furnish: Furnish, command: list[str]) -> None:
        self.data_dir.mkdir()
        furnish(self.folder / "furniture")
        self.run([*UNSHARED, MOUNTED, str(self.data_dir), str(self.folder / "furniture"), *command])

    @property
    def filling(self) -> Path:
        assert self.process
        return Path(f"/proc/{self.process.pid}/root{self.data_dir}/fill")

    def fill(self) -> None:
        for size in (1 << 16, 1 << 9):
            with self.filling.open("ab", buffering=0) as file:
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    pass

    def free(self) -> None:
        self.filling.unlink()


def allowed() -> bool:
    """Whether a disk can be mounted here."""
    try:
        tried = subprocess.run([*UNSHARED, "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


@pytest.fixture(params=[Refusing, SmallDisk] if allowed() else [Refusing])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Refusing]:
    """A service with one worker that was not begun yet."""
    service: Refusing = request.param(tmp_path / "service", WORKERS="1")
    try:
        yield service
    finally:
        service.kill()


def replaced(small: Refusing, act: Callable[[int], None]) -> None:
    """Do something to the worker, and wait for the one that has its place."""
    eventually(lambda: len(small.pids("serve")) == 1)
    (before,) = small.pids("serve")
    act(before)

    def another() -> bool:
        pids = small.pids("serve")
        return len(pids) == 1 and before not in pids and small.http.get("/readyz").status_code == 200

    eventually(another)
    feeds(small)


def feeds(small: Refusing) -> None:
    """It serves a whole feed, and counts it at once, for /metrics is asked."""
    assert len(small.feed(user_id=1)["items"]) == 24
    assert small.http.get("/metrics").status_code == 200


def complains(small: Refusing) -> bool:
    """Whether /health says what is wrong."""
    return any(small.complaint in problem for problem in small.http.get("/health").json()["problems"])


def ends_well(small: Refusing) -> None:
    """What three workers counted is told now that there is room again, and the end leaves nothing in memory."""
    eventually(lambda: not complains(small))
    assert 'talentfeed_http_request_seconds_count{route="/v1/feed"} 3.0' in small.http.get("/metrics").text
    assert small.stop() == 0
    assert "SIGBUS" not in small.said
    assert not [place for place in spare.both(small.data_dir)[1:] if place.exists()]


def test_a_service_on_a_full_disk_outlives_sighup_a_killed_worker_and_a_rolling_restart(
    small: Refusing, furnish: Furnish
) -> None:
    small.begin(furnish, [sys.executable, "-m", "api.cli", "serve"])
    small.wait_until()
    eventually(lambda: small.pids("work"))
    feeds(small)
    small.fill()
    parent = small.process
    assert parent
    parent.send_signal(signal.SIGHUP)
    eventually(lambda: "SIGHUP is in vain" in small.log.read_text())
    replaced(small, lambda pid: os.kill(pid, signal.SIGKILL))
    small.fill()
    replaced(small, lambda pid: parent.send_signal(signal.SIGUSR2))
    eventually(lambda: complains(small))
    small.free()
    eventually(lambda: small.http.get("/health").json()["status"] == "ok")
    ends_well(small)


def test_gunicorn_on_a_full_disk_starts_another_worker_for_a_killed_one_and_for_all_after_sighup(
    small: Refusing, furnish: Furnish
) -> None:
    small.begin(furnish, COMMAND)
    small.wait_until()
    eventually(lambda: len(small.pids("serve")) == 1)
    feeds(small)
    small.fill()
    parent = small.process
    assert parent
    replaced(small, lambda pid: os.kill(pid, signal.SIGKILL))
    small.fill()
    replaced(small, lambda pid: parent.send_signal(signal.SIGHUP))
    eventually(lambda: complains(small))
    small.free()
    ends_well(small)
