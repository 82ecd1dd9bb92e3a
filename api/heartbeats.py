"""Who is alive: every process writes DATA_DIR/workers/<pid>.json each second and removes it when it ends."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.files import read_json, write_json

SILENT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """The heartbeats of one DATA_DIR."""

    folder: Path

    def beat(self, role: str, **state: Any) -> None:
        """Write this process's state."""
        content = {"pid": os.getpid(), "role": role, "beat_at": time.time(), **state}
        write_json(self.folder / f"{os.getpid()}.json", content)

    def remove(self) -> None:
        """This process ends."""
        (self.folder / f"{os.getpid()}.json").unlink(missing_ok=True)

    def alive(self, role: str) -> list[dict[str, Any]]:
        """States of the processes of a role that run and were heard of lately, in the order of their pids."""
        states = [state for path in self.folder.glob("*.json") if (state := read_json(path))]
        return sorted(
            (state for state in states if state["role"] == role and _lives(state)), key=lambda s: int(s["pid"])
        )

    def clean(self) -> None:
        """Remove what dead processes left."""
        for path in self.folder.glob("*.json"):
            state = read_json(path)
            if state is None or not _lives(state):
                path.unlink(missing_ok=True)


def _lives(state: dict[str, Any]) -> bool:
    return time.time() - float(state["beat_at"]) < SILENT_SECONDS and Path(f"/proc/{state['pid']}").exists()
