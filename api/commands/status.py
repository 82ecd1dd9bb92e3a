"""`talentfeed status`."""

import time
from collections.abc import Mapping
from typing import Any

import typer

from api import disk, services
from api.commands.common import Json, say, say_json, say_table, settings
from api.files import read_json
from api.heartbeats import HOST, Heartbeats
from api.reloads import Reloads


def status(json: Json = False) -> None:
    """What runs, what it serves, and what is wrong. Exit code 1 when nothing runs."""
    read = settings()
    heartbeats = Heartbeats(read.data_dir / "workers")
    workers, work = heartbeats.alive("serve"), heartbeats.alive("work")
    report = (read_json(read.data_dir / "work.json") or {}) if work else {}
    current = services.snapshots(read).current_id()
    latest = next(iter(Reloads(read.data_dir / "reloads").records()), None)
    found = {"environment": read.environment, "current_snapshot": current, "workers": workers, "work": work, **report}
    if json:
        say_json({**found, "last_reload": latest})
    else:
        say(f"environment {read.environment}, current snapshot {current or 'none'}")
        say_table(("worker", "state", "snapshot", "policy", "generation", "switched", "up for"), map(_row, workers))
        if workers:
            parents = {_name({**worker, "pid": worker["parent"]}) for worker in workers}
            say(f"their parent: {', '.join(sorted(parents))}")
        say(f"work process: {_name(work[0]) if work else 'none runs'}")
        if latest:
            say(f"last reload: {latest['state']} at {latest['updated_at']} {latest.get('error', '')}".rstrip())
        told = [worker["problem"] for worker in workers if worker["problem"]]
        for problem in [*disk.problems(read.data_dir), *told, *report.get("problems", [])]:
            say(f"problem: {problem}")
    if not workers and not work:
        raise typer.Exit(1)


def _row(worker: Mapping[str, Any]) -> tuple[str, ...]:
    """One worker in words."""
    state = "draining" if worker["draining"] else "ready" if worker["ready"] else "starting"
    now = time.time()
    switched = f"{now - worker['switched_at']:.0f} s ago" if worker["switched_at"] else "never"
    names = (worker["snapshot_id"] or "none", worker["policy_version"] or "none")
    return _name(worker), state, *names, str(worker["generation"]), switched, f"{now - worker['started_at']:.0f} s"


def _name(process: Mapping[str, Any]) -> str:
    """A process's pid, and its machine unless that is this one."""
    return f"{process['pid']}" if process.get("host") == HOST else f"{process['pid']} on {process.get('host')}"
