"""Reload requests: one small file each in DATA_DIR/reloads, from the call to the published snapshot.

    requested -> starting -> loading -> building -> published | failed

A call that comes before the load has opened its database snapshot joins the request that is under way, so ten calls at
once make one build; a later call makes a new one, because the running load can no longer see what was written since.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.files import locked, read_json, write_json

KEPT = 50
JOINABLE = ("requested", "starting")
ACTIVE = (*JOINABLE, "loading", "building")
FINISHED = ("published", "failed")
_ID = re.compile(r"[0-9a-f]{32}").fullmatch


def now() -> str:
    """This moment as ISO-8601 UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Reloads:
    """All requests of one DATA_DIR. Any process may use it."""

    folder: Path

    def request(self, reason: str) -> str:
        """Ask for a build, or join one that has not read anything yet; its id."""
        with locked(self.folder / ".lock"):
            for record in self.records():
                if record["state"] in JOINABLE:
                    return str(record["reload_id"])
            identity = uuid.uuid4().hex
            moment = now()
            record = {"reload_id": identity, "state": "requested", "reason": reason, "requested_at": moment}
            write_json(self._path(identity), {**record, "updated_at": moment})
            return identity

    def claim(self) -> str | None:
        """The oldest request that nobody works on, now `starting`; None when there is none."""
        with locked(self.folder / ".lock"):
            waiting = [record for record in self.records() if record["state"] == "requested"]
            if not waiting:
                return None
            oldest = min(waiting, key=lambda record: str(record["requested_at"]))
            self._update(oldest, {"state": "starting"})
            return str(oldest["reload_id"])

    def update(self, identity: str, **changes: Any) -> None:
        """Change a request's record."""
        with locked(self.folder / ".lock"):
            self._update(self.get(identity) or {"reload_id": identity}, changes)

    def get(self, identity: str) -> dict[str, Any] | None:
        """A request's record; None when there is none of this id."""
        return read_json(self._path(identity)) if _ID(identity) else None

    def records(self) -> list[dict[str, Any]]:
        """All records, the latest first."""
        records = [record for path in self.folder.glob("*.json") if (record := read_json(path))]
        return sorted(records, key=lambda record: str(record.get("requested_at")), reverse=True)

    def abandon(self, reason: str) -> None:
        """After a crash: what was under way failed, because its builder is gone."""
        for record in self.records():
            if record["state"] in ACTIVE and record["state"] != "requested":
                self.update(record["reload_id"], state="failed", error=reason)

    def prune(self) -> None:
        """Forget all but the latest finished requests."""
        for record in [record for record in self.records() if record["state"] in FINISHED][KEPT:]:
            self._path(record["reload_id"]).unlink(missing_ok=True)

    def _update(self, record: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        write_json(self._path(str(record["reload_id"])), {**record, **changes, "updated_at": now()})

    def _path(self, identity: str) -> Path:
        return self.folder / f"{identity}.json"
