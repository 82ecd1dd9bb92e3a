"""Who is alive: every process writes DATA_DIR/workers/<host>-<pid>.json each second and removes it when it ends.

While the disk takes nothing, workers write it to memory (`api.spare`): the processes of their machine see them there.
"""

import logging
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api import spare
from api.files import read_json, write_json

logger = logging.getLogger(__name__)
SILENT_SECONDS = 10.0
HOST = socket.gethostname()


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """The heartbeats of one DATA_DIR."""

    folder: Path

    def beat(self, role: str, **state: Any) -> None:
        """Write this process's state. Raises OSError when the disk takes nothing, though others of this machine see it
        all the same."""
        own = {"pid": os.getpid(), "host": HOST, "role": role, "beat_at": time.time()}
        first, *others = self._of(os.getpid())
        try:
            write_json(first, {**own, **state})
        except OSError:
            with suppress(OSError):
                write_json(spare.make(self.folder) / first.name, {**own, **state})
            raise
        for path in others:
            path.unlink(missing_ok=True)

    def remove(self, pid: int = 0) -> None:
        """This process ends, or another one of this machine has ended. Never raises: it falls silent all the same."""
        for path in self._of(pid or os.getpid()):
            try:
                if path.exists():  # else a read-only disk refuses what there is no need for
                    path.unlink(missing_ok=True)
            except OSError as error:
                logger.warning("a heartbeat stays although its process has ended: %s", error)

    def alive(self, role: str) -> list[dict[str, Any]]:
        """States of the processes of a role that run and were heard of lately, in the order of hosts and pids."""
        states = [state for path in self._files() if (state := read_json(path)) and state["role"] == role]
        latest = {_process(state): state for state in sorted(states, key=lambda state: float(state["beat_at"]))}
        return [state for _, state in sorted(latest.items()) if _lives(state)]

    def clean(self) -> None:
        """Remove what dead processes left."""
        for path in self._files():
            state = read_json(path)
            if state is None or not _lives(state):
                path.unlink(missing_ok=True)
        for path in self.folder.glob("*.turn"):  # of machines that have gone, perhaps; whoever needs one makes it anew
            path.unlink(missing_ok=True)

    @property
    def turn(self) -> Path:
        """The lock that the workers of this machine take in turn."""
        return self.folder / f"{HOST}.turn"

    def _of(self, pid: int) -> list[Path]:
        return [place / f"{HOST}-{pid}.json" for place in spare.both(self.folder)]

    def _files(self) -> list[Path]:
        return [path for place in spare.both(self.folder) for path in place.glob("*.json")]


def _process(state: dict[str, Any]) -> tuple[str, int]:
    return str(state.get("host")), int(state["pid"])


def _lives(state: dict[str, Any]) -> bool:
    """Heard of lately, and, where that can be told, still a process."""
    if time.time() - float(state["beat_at"]) >= SILENT_SECONDS:
        return False
    return state.get("host") != HOST or Path(f"/proc/{state['pid']}").exists()
