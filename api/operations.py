"""What an operator may ask for over HTTP: reload and its state, snapshots, rolling back, health."""

import asyncio
import time
from typing import Any

from api import disk
from api.errors import ProblemError
from api.files import read_json
from api.heartbeats import Heartbeats
from api.reloads import told
from api.runtime import Runtime
from data.snapshot import SnapshotError, SnapshotInfo

WAIT_STEP = 0.1
GRACE_SECONDS = 30.0
WORK_SECONDS = 5.0


class Operations:
    """Reads and writes the small files that the processes share; it never blocks for long."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime, self._reloads = runtime, runtime.reloads
        self._settings = runtime.settings
        self._heartbeats: Heartbeats = runtime.heartbeats

    async def request_reload(self) -> str:
        """Ask for a build; the reload's id. Raises 503 when the disk refuses, or no work process comes up to do it."""
        self._refuse_on_broken_disk()
        limit = time.monotonic() + WORK_SECONDS
        while not self._heartbeats.alive("work") and time.monotonic() < limit:
            await asyncio.sleep(WAIT_STEP)
        if not self._heartbeats.alive("work"):
            raise ProblemError(503, "No work process runs that could build", code="no_work_process", retry_after=5)
        try:
            return self._reloads.request("admin")
        except OSError as error:
            raise _disk_problem(f"DATA_DIR: {error}") from None

    def reload_state(self, reload_id: str) -> dict[str, Any]:
        """The reload's record with what each worker serves; `live` once all of them have switched. Raises 404."""
        record = self._reloads.get(reload_id)
        if record is None:
            raise ProblemError(404, "There is no reload of this id")
        workers = self._heartbeats.alive("serve")
        identity = record.get("snapshot_id")
        live = bool(workers) and all(identity in worker["history"] for worker in workers)
        keys = ("pid", "host", "generation", "snapshot_id", "policy_version", "switched_at")
        return {**record, "live": live, "workers": [{key: worker[key] for key in keys} for worker in workers]}

    async def wait_for(self, reload_id: str) -> dict[str, Any]:
        """The state once every worker has switched. Raises 503 when the build failed or takes too long."""
        limit = time.monotonic() + self._settings.load_deadline_seconds + GRACE_SECONDS
        while time.monotonic() < limit:
            state = self.reload_state(reload_id)
            if state["live"]:
                return state
            if state["state"] == "failed":
                raise ProblemError(503, str(state.get("error")), code="reload_failed", retry_after=30)
            await asyncio.sleep(WAIT_STEP)
        raise ProblemError(
            503, f"Not done yet; see /v1/admin/reloads/{reload_id}", code="still_running", retry_after=10
        )

    def snapshots(self) -> list[dict[str, Any]]:
        """All snapshots on disk, the latest first."""
        return [describe(info) for info in self._runtime.snapshots.list()]

    async def activate(self, snapshot_id: str) -> dict[str, Any]:
        """Move the pointer. Raises 404 for an unknown id, 422 for a damaged snapshot and 503 when the disk refuses."""
        if snapshot_id not in {info.id for info in self._runtime.snapshots.list()}:
            raise ProblemError(404, "There is no snapshot of this id")
        self._refuse_on_broken_disk()
        try:
            await asyncio.to_thread(self._runtime.snapshots.activate, snapshot_id)
        except SnapshotError as error:
            raise ProblemError(422, str(error), code="damaged_snapshot") from None
        return {"snapshot_id": snapshot_id}

    async def health(self) -> dict[str, Any]:
        """Everything an operator looks at first, and in `problems` one line for each thing that is wrong."""
        runtime, work = self._runtime, self._heartbeats.alive("work")
        reports = read_json(self._settings.data_dir / "work.json") if work else None
        workers = self._heartbeats.alive("serve")
        problems = [f"worker {worker['pid']}: {worker['problem']}" for worker in workers if worker["problem"]]
        refused = disk.problems(self._settings.data_dir)  # then a heartbeat that is not there says nothing
        problems += list(reports["problems"]) if reports else refused or ["no work process runs"]
        problems += [problem for problem in refused if problem not in problems]
        if runtime.engine is None:
            problems.insert(0, "there is no snapshot yet")
        return {
            "status": "starting" if runtime.engine is None else "degraded" if problems else "ok",
            "environment": self._settings.environment,
            "snapshot": {"id": runtime.snapshot_id, "age_seconds": runtime.snapshot_age(), **told(runtime.details)},
            "policy_version": runtime.policy_version,
            "workers": workers,
            "work": {
                **(work[0] if work else {}),
                **({key: reports[key] for key in reports if key != "problems"} if reports else {}),
            },
            "problems": problems,
        }

    def _refuse_on_broken_disk(self) -> None:
        """Say what is wrong instead of what follows from it: nobody's heartbeat can be written then."""
        for problem in disk.problems(self._settings.data_dir):
            raise _disk_problem(problem)


def _disk_problem(detail: str) -> ProblemError:
    return ProblemError(503, detail, code="disk_refuses", retry_after=30)


def describe(info: SnapshotInfo) -> dict[str, Any]:
    """A snapshot for people and machines."""
    found = {"id": info.id, "created_at": info.created_at, "bytes": info.bytes, "current": info.current}
    return {**found, **told(info.details)}
