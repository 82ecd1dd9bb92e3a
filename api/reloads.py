"""Reload requests: one small file each in DATA_DIR/reloads, from the call to the published snapshot.

    requested -> starting -> loading -> building -> published | failed

A call that comes before the load has opened its database snapshot joins the request that is under way, so ten calls at
once make one build; a later call makes a new one, because the running load can no longer see what was written since.

What a record says at its end stays true: a builder publishes and says so behind one lock, and not when its request was
told as failed meanwhile; who finds a request whose builder is gone looks behind the same lock whether it had published.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.files import locked, read_json, write_json
from data.snapshot import SnapshotStore

KEPT = 50
JOINABLE = ("requested", "starting")
UNDER_WAY = ("starting", "loading", "building")
FINISHED = ("published", "failed")
DETAILS = ("as_of", "source", "counts", "quarantine")  # what is told of a snapshot besides its id
_ID = re.compile(r"[0-9a-f]{32}").fullmatch


def now() -> str:
    """This moment as ISO-8601 UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class GivenUpError(Exception):
    """The request was told as failed, or somebody else shall build it: its builder must not publish."""


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

    def advance(self, identity: str, state: str) -> None:
        """A builder's next step. Raises GivenUpError when the request is no longer this builder's."""
        with locked(self.folder / ".lock"):
            self._update(self._under_way(identity), {"state": state})

    @contextmanager
    def publishing(self, identity: str) -> Iterator[None]:
        """Inside, the pointer is moved and the record says so; nobody settles the request meanwhile.

        Raises GivenUpError when it was settled before.
        """
        with locked(self.folder / ".publishing"):
            self._under_way(identity)
            yield

    def settle(self, identity: str, snapshots: SnapshotStore, **otherwise: Any) -> dict[str, Any]:
        """The builder of a request is gone: its record, `published` if the current snapshot is its, or `otherwise`."""
        with locked(self.folder / ".publishing"):
            if (self.get(identity) or {}).get("state") in UNDER_WAY:
                self.update(identity, **(_published(identity, snapshots) or otherwise))
            return self.get(identity) or {}

    def settle_all(self, snapshots: SnapshotStore, reason: str) -> None:
        """After a crash: nobody builds what was under way."""
        for record in self.records():
            if record["state"] in UNDER_WAY:
                self.settle(record["reload_id"], snapshots, state="failed", error=reason)

    def prune(self) -> None:
        """Forget all but the latest finished requests."""
        for record in [record for record in self.records() if record["state"] in FINISHED][KEPT:]:
            self._path(record["reload_id"]).unlink(missing_ok=True)

    def _under_way(self, identity: str) -> dict[str, Any]:
        record = self.get(identity) or {}
        if record.get("state") not in UNDER_WAY:
            raise GivenUpError(f"reload {identity} is {record.get('state', 'unknown')}: it is not built here any more")
        return record

    def _update(self, record: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        write_json(self._path(str(record["reload_id"])), {**record, **changes, "updated_at": now()})

    def _path(self, identity: str) -> Path:
        return self.folder / f"{identity}.json"


def _published(identity: str, snapshots: SnapshotStore) -> dict[str, Any]:
    """What a record says of the snapshot that its builder published without being able to say so; else empty."""
    for info in snapshots.list():
        if info.current and info.details.get("reload_id") == identity:
            return {"state": "published", "snapshot_id": info.id, **told(info.details)}
    return {}


def told(details: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a snapshot, taken from all that it says of itself."""
    return {key: details[key] for key in DETAILS if key in details}
