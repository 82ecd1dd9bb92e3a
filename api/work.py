"""`python -m api.work`: the one process beside the workers. It holds the tunnels, starts builds, flushes and learns.

Only one per DATA_DIR does the work; a second one waits for the lock. Correctness does not hang on the lock: records
have ids, snapshots and policies are published whole.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from types import FrameType
from typing import Any

from api import metrics, metrics_files, metrics_folders, services
from api.files import try_lock, write_json
from api.heartbeats import Heartbeats
from api.keeper import Keeper
from api.priority import lower
from api.reloads import Reloads
from api.schedule import Schedule
from api.settings import ONE_THREAD, ServiceSettings, child_environment
from data.tunnel import Tunnel

logger = logging.getLogger("api.work")
TICK_SECONDS = 0.1
BEAT_SECONDS = 1.0


class Work:
    """The work process: one loop that claims reload requests, and a thread that flushes and learns."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._heartbeats = Heartbeats(settings.data_dir / "workers")
        self._reloads = Reloads(settings.data_dir / "reloads")
        self._snapshots = services.snapshots(settings)
        self._schedule = Schedule(settings, self._snapshots, self._reloads)
        self._tunnels: dict[str, Tunnel] = {}
        self._keeper: Keeper | None = None
        self._builder: subprocess.Popen[bytes] | None = None
        self._building, self._begun, self._problem = "", 0.0, ""
        self._stopping, self._settled, self._disk_problem = False, False, ""
        self._parent = os.getppid()
        self._lock, self._code = -1, 0

    def run(self) -> int:
        """Work until SIGTERM; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        metrics_files.reserve(metrics_folders.of(self._settings.data_dir, "work"), os.getpid())
        if not self._wait_for_lock():
            return 0
        self._tunnels = services.tunnels(self._settings)
        self._keeper = Keeper(self._settings, self._tunnels.get("mysql"))
        self._keeper.start()
        last_beat = 0.0
        while not self._stopping:
            self._end_without_parent()
            try:
                self._step()
                if time.monotonic() - last_beat >= BEAT_SECONDS:
                    last_beat = time.monotonic()
                    self._end_without_lock()
                    self._beat()
                    self._disk_problem = ""
            except OSError as error:
                self._tell_disk(error)
            time.sleep(TICK_SECONDS)
        self._close()
        return self._code

    def _tell_disk(self, error: OSError) -> None:
        """A full or read-only disk stops builds and heartbeats, not flushing: say so once, and go on."""
        if str(error) != self._disk_problem:
            self._disk_problem = str(error)
            logger.error("DATA_DIR: the work process cannot write its files: %s", error)

    def _wait_for_lock(self) -> bool:
        path, told = self._settings.data_dir / "work.lock", False
        while not self._stopping:
            try:
                held = try_lock(path)
                if held is not None:
                    self._lock = held
                    return True
                if not told:
                    told = True
                    logger.warning("another work process holds %s; this one waits for it to end", path)
            except OSError as error:
                self._tell_disk(error)
            time.sleep(0.5)
            self._stopping = self._stopping or os.getppid() != self._parent
        return False

    def _end_without_lock(self) -> None:
        """When DATA_DIR was removed, all files that this process holds are lost, its lock too: one that starts makes
        them anew."""
        path = self._settings.data_dir / "work.lock"
        try:
            held = os.path.samestat(path.stat(), os.fstat(self._lock))
        except FileNotFoundError:
            held = False
        if not held:
            logger.error(
                "DATA_DIR: %s is not the file that was locked, so the folder was removed; the work process ends"
                " and is started anew",
                path,
            )
            self._stopping, self._code = True, 1

    def _end_without_parent(self) -> None:
        if os.getppid() != self._parent:
            logger.error("the supervisor is gone; the work process ends")
            self._stopping = True

    def _step(self) -> None:
        """Take note of a finished build, ask for one that is due, start the next."""
        if not self._settled:
            self._reloads.settle_all(self._snapshots, "the process that built it ended; ask again")
            self._settled = True
        self._reap()
        if self._builder is None:
            self._schedule.ask_if_due()
            identity = self._reloads.claim()
            if identity:
                self._spawn(identity)

    def _spawn(self, identity: str) -> None:
        command = [sys.executable, "-m", "api.builder", identity, str(os.getpid())]
        self._builder = subprocess.Popen(command, env=child_environment(**ONE_THREAD), start_new_session=True)
        lower(self._builder.pid)
        self._building, self._begun = identity, time.monotonic()
        logger.info("build started: reload=%s pid=%d", identity, self._builder.pid)

    def _reap(self) -> None:
        """A builder ended, or has run far past the load's deadline."""
        if self._builder is None:
            return
        code, seconds = self._builder.poll(), time.monotonic() - self._begun
        if code is None:
            if seconds > self._settings.load_deadline_seconds * 2 + 60:
                logger.error("the build of reload %s takes too long and is ended", self._building)
                self._builder.kill()
            return
        reason = f"the builder ended with {code}"
        record = self._reloads.settle(self._building, self._snapshots, state="failed", error=reason)
        published = record.get("state") == "published"
        self._problem = "" if published else f"the last reload failed: {record.get('error')}"
        self._schedule.built(published)
        metrics.builds.labels("published" if published else "failed").inc()
        metrics.build_seconds.set(seconds)
        self._builder = None

    def _beat(self) -> None:
        keeper = self._keeper.report() if self._keeper else {"problems": []}
        tunnels = {name: asdict(tunnel.state) for name, tunnel in self._tunnels.items()}
        for name, state in tunnels.items():
            metrics.tunnel_up.labels(name).set(1 if state["up"] and state["answers"] is not False else 0)
        down = [
            f"tunnel {name}: {state['last_error']}"
            for name, state in tunnels.items()
            if not state["up"] or state["answers"] is False
        ]
        problems = [problem for problem in (self._problem, *down, *keeper.pop("problems")) if problem]
        report: dict[str, Any] = {"tunnels": tunnels, **keeper, "problems": problems}
        write_json(self._settings.data_dir / "work.json", report)
        self._heartbeats.beat("work", building=self._building if self._builder else None)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _close(self) -> None:
        """Flush what waits; a build under way is given up, unless it has just published, and asked for anew."""
        if self._builder:
            self._builder.terminate()
            self._builder.wait()
            with suppress(OSError):  # of a full disk; the next work process settles it then
                self._reloads.settle(self._building, self._snapshots, state="requested")
        if self._keeper and not self._code:  # without the lock, what waits would go to a file that was removed
            self._keeper.stop()
        for tunnel in self._tunnels.values():
            tunnel.close()
        self._heartbeats.remove()


def main() -> int:
    """Run the work process; the exit code."""
    settings = services.begin()
    try:
        return Work(settings).run()
    except Exception:
        logger.exception("the work process ends on a mistake")
        return 1


if __name__ == "__main__":
    sys.exit(main())
