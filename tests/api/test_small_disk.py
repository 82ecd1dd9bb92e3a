"""A whole service on a real disk of a few megabytes that fills up, where mounting one is allowed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.server import ROOT, Server
from tests.support.prebuilt import Furnish
from tests.support.waiting import eventually

MOUNTED = 'mount -t tmpfs -o size=32m tmpfs "$0" && cp -r "$1"/. "$0" && shift && exec "$@"'
UNSHARED = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]


class SmallDisk(Server):
    """A service whose DATA_DIR is a disk that only its own processes see."""

    def start(self, *arguments: str) -> "SmallDisk":
        command = [sys.executable, "-m", "api.cli", "serve", "--port", str(self.port), *arguments]
        whole = [*UNSHARED, MOUNTED, str(self.data_dir), str(self.folder / "furniture"), *command]
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(whole, cwd=ROOT, env=self.environment, stdout=output, stderr=output)
        return self

    def fill(self) -> Path:
        """Take all the room there is; the file that has it."""
        assert self.process
        path = Path(f"/proc/{self.process.pid}/root{self.data_dir}/fill")
        for size in (1 << 16, 1 << 9):
            with path.open("ab", buffering=0) as file:
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    pass
        return path


def allowed(folder: Path) -> bool:
    """Whether a disk can be mounted here."""
    try:
        tried = subprocess.run([*UNSHARED, 'mount -t tmpfs tmpfs "$0"', str(folder)], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


@pytest.fixture
def small(tmp_path: Path, furnish: Furnish) -> Iterator[SmallDisk | None]:
    """A running service with one worker; None where no disk can be mounted."""
    if not allowed(tmp_path):
        yield None
        return
    service = SmallDisk(tmp_path / "service", WORKERS="1")
    service.data_dir.mkdir()
    furnish(service.folder / "furniture")
    try:
        service.start().wait_until()
        eventually(lambda: service.pids("work"))
        yield service
    finally:
        service.kill()


def replaced(small: SmallDisk, act: Callable[[int], None]) -> None:
    """Do something to the worker, and wait for the one that has its place: it serves a whole feed."""
    (before,) = small.pids("serve")
    act(before)

    def another() -> bool:
        pids = small.pids("serve")
        return len(pids) == 1 and before not in pids and small.http.get("/readyz").status_code == 200

    eventually(another)
    assert len(small.feed(user_id=1)["items"]) == 24


def test_a_service_on_a_full_disk_outlives_sighup_a_killed_worker_and_a_rolling_restart(
    small: SmallDisk | None,
) -> None:
    if small is None:
        return
    filled = small.fill()
    parent = small.process
    assert parent
    parent.send_signal(signal.SIGHUP)
    eventually(lambda: "SIGHUP is in vain" in small.log.read_text())
    replaced(small, lambda pid: os.kill(pid, signal.SIGKILL))
    small.fill()
    replaced(small, lambda pid: parent.send_signal(signal.SIGUSR2))
    assert any("is full" in problem for problem in small.http.get("/health").json()["problems"])
    assert "talentfeed_engine_swaps_total 3.0" in small.http.get("/metrics").text
    assert "SIGBUS" not in small.log.read_text()
    filled.unlink()
    eventually(lambda: small.http.get("/health").json()["status"] == "ok")
    assert small.stop() == 0
