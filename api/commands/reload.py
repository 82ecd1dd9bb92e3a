"""`talentfeed reload`."""

import os
import subprocess
import sys
import time
from typing import Annotated, Any

import typer

from api import services
from api.commands.common import CommandError, Json, say, say_json, settings
from api.heartbeats import Heartbeats
from api.reloads import FINISHED, Reloads
from api.settings import ServiceSettings

STEP_SECONDS = 0.1
GRACE_SECONDS = 120.0


def reload(
    wait: Annotated[bool, typer.Option(help="Wait until every worker serves the new snapshot.")] = True,
    json: Json = False,
) -> None:
    """Load the data anew. Without a running service the snapshot is built here, for the next start."""
    read = settings()
    reloads, heartbeats = Reloads(read.data_dir / "reloads"), Heartbeats(read.data_dir / "workers")
    identity = reloads.request("command line")
    if not heartbeats.alive("work"):
        _build_here(read, reloads, identity)
    elif not wait:
        say_json({"reload_id": identity}) if json else say(f"asked for: reload {identity}")
        return
    record = _wait(read, reloads, heartbeats, identity, quiet=json)
    if record["state"] == "failed":
        raise CommandError(f"reload failed: {record.get('error')}")
    if json:
        say_json(record)
    else:
        counts = ", ".join(f"{number} {table}" for table, number in record.get("counts", {}).items())
        state = "is live" if heartbeats.alive("serve") else "is built and goes live with the next start"
        say(f"snapshot {record['snapshot_id']} {state}: {counts}")


def _build_here(settings: ServiceSettings, reloads: Reloads, identity: str) -> None:
    reloads.update(identity, state="starting")
    words = [sys.executable, "-m", "api.builder", identity, str(os.getpid())]
    code = subprocess.run(words, stdout=subprocess.DEVNULL, check=False).returncode
    reason = f"the builder ended with {code}"
    reloads.settle(identity, services.snapshots(settings), state="failed", error=reason)


def _wait(
    settings: ServiceSettings, reloads: Reloads, heartbeats: Heartbeats, identity: str, quiet: bool
) -> dict[str, Any]:
    """The record at the end, showing each state on a terminal on the way."""
    limit, shown = time.monotonic() + settings.load_deadline_seconds + GRACE_SECONDS, ""
    while time.monotonic() < limit:
        record = reloads.get(identity) or {"state": "failed", "error": "its record is gone"}
        if record["state"] != shown and not quiet and sys.stderr.isatty():
            shown = record["state"]
            sys.stderr.write(f"{shown} ...\n")
        workers = heartbeats.alive("serve")
        switched = all(record.get("snapshot_id") in worker["history"] for worker in workers)
        if record["state"] in FINISHED and (record["state"] == "failed" or switched):
            return record
        time.sleep(STEP_SECONDS)
    raise CommandError(f"reload {identity} is not done after {settings.load_deadline_seconds + GRACE_SECONDS:.0f} s")
