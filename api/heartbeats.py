"""Who is alive: every process writes DATA_DIR/workers/<host>-<pid>.json each second and removes it when it ends."""

import logging
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.files import read_json, write_json

logger = logging.getLogger(__name__)
SILENT_SECONDS = 10.0
HOST = socket.gethostname()


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """The heartbeats of one DATA_DIR."""

    folder: Path

    def beat(self, role: str, **state: Any) -> None:
        """Write this process's state."""
        own = {"pid": os.getpid(), "host": HOST, "role": role, "beat_at": time.time()}
        write_json(self._of(os.getpid()), {**own, **state})

    def remove(self, pid: int = 0) -> None:
        """This process ends, or another one of this machine has ended. Never raises: it falls silent all the same."""
        try:
            self._of(pid or os.getpid()).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("a heartbeat stays although its process has ended: %s", error)

    def alive(self, role: str) -> list[dict[str, Any]]:
        """States of the processes of a role that run and were heard of lately, in the order of hosts and pids."""
        states = [state for path in self.folder.glob("*.json") if (state := read_json(path))]
        return sorted(
            (state for state in states if state["role"] == role and _lives(state)),
            key=lambda state: (str(state.get("host")), int(state["pid"])),
        )

    def clean(self) -> None:
        """Remove what dead processes left."""
        for path in self.folder.glob("*.json"):
            state = read_json(path)
            if state is None or not _lives(state):
                path.unlink(missing_ok=True)
        for path in self.folder.glob("*.turn"):  # of machines that have gone, perhaps; whoever needs one makes it anew
            path.unlink(missing_ok=True)

    @property
    def turn(self) -> Path:
        """The lock that the workers of this machine take in turn."""
        return self.folder / f"{HOST}.turn"

    def _of(self, pid: int) -> Path:
        return self.folder / f"{HOST}-{pid}.json"


def _lives(state: dict[str, Any]) -> bool:
    """Heard of lately, and, where that can be told, still a process."""
    if time.time() - float(state["beat_at"]) >= SILENT_SECONDS:
        return False
    return state.get("host") != HOST or Path(f"/proc/{state['pid']}").exists()
