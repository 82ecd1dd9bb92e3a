"""When a build is due without being asked for: there is no snapshot, or the served one is older than RELOAD_EVERY."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from api.reloads import Reloads
from api.settings import ServiceSettings
from data.snapshot import SnapshotStore

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0


@dataclass(slots=True)
class Schedule:
    """Asks for builds. After a failure it waits: twice as long each time, 60 s at most."""

    settings: ServiceSettings
    snapshots: SnapshotStore
    reloads: Reloads
    failures: int = 0
    next_at: float = field(default=0.0)

    def ask_if_due(self) -> None:
        """Ask for the first snapshot, or for the next one."""
        if time.monotonic() < self.next_at:
            return
        manifests = list(self.snapshots.folder.glob("*/manifest.json"))
        if self.snapshots.current_id() is None or not manifests:
            self.reloads.request("start")
        elif self._stale(manifests):
            self.reloads.request("schedule")
        self.next_at = time.monotonic() + FIRST_PAUSE

    def built(self, succeeded: bool) -> None:
        """Take note of a build's end."""
        self.failures = 0 if succeeded else self.failures + 1
        pause = min(FIRST_PAUSE * 2.0 ** (self.failures - 1), LONGEST_PAUSE) if self.failures else FIRST_PAUSE
        self.next_at = time.monotonic() + pause

    def _stale(self, manifests: list[Path]) -> bool:
        """Is the newest build too old? Not the served one: who rolled back wants to stay there until the next turn."""
        newest = max(path.stat().st_mtime for path in manifests)
        return 0 < self.settings.reload_every < time.time() - newest
