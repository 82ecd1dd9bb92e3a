"""Where processes keep their metrics: one folder for the workers of each machine, one for the work process.

    DATA_DIR/metrics/serve-<host>/    what /metrics of that machine tells
    DATA_DIR/metrics/work/            told by every machine, wherever the work process runs

Files are named by pid, which two machines may give twice; and each machine's numbers should be asked for there. Who
starts while the disk takes nothing keeps its files in memory (`api.spare`), where all look too.
"""

import logging
import os
import shutil
import time
from pathlib import Path

from api import spare
from api.heartbeats import HOST, Heartbeats

logger = logging.getLogger(__name__)
HEIR = 0
"""Stands for the dead in the names of files; no process has this number."""
FORGOTTEN_SECONDS = 86400.0
ROOM = 1 << 19  # bytes, for all files of one process


def of(data_dir: Path, role: str) -> Path:
    """The folder of this machine's processes of a role, `serve` or `work`."""
    return (data_dir / "metrics" / ("work" if role == "work" else f"serve-{HOST}")).absolute()


def begin(data_dir: Path, role: str) -> None:
    """Make the folder before processes of a role start, without what dead ones left; those that run keep theirs."""
    heartbeats, folder = Heartbeats(data_dir / "workers"), of(data_dir, role)
    here = [state for state in heartbeats.alive(role) if role == "work" or state.get("host") == HOST]
    living = {str(state["pid"]) for state in here} | ({str(HEIR)} if here else set())
    folder.mkdir(parents=True, exist_ok=True)
    for path in (path for place in spare.both(folder) for path in place.glob("*.db")):
        if path.stem.rpartition("_")[2] not in living:
            path.unlink(missing_ok=True)
    _forget_machines(
        folder.parent, {f"serve-{state.get('host')}" for state in heartbeats.alive("serve")} | {folder.name}
    )


def with_room(folder: Path) -> Path:
    """Where a process that starts now keeps its metrics: the folder, made anew if it is gone, or its second place."""
    first = spare.both(folder)[0]
    try:
        return _tried(first)
    except OSError as error:
        reason = str(error)
    try:
        second = _tried(spare.make(first))
    except OSError as error:
        logger.error("no room for the metrics of a process that starts: %s; %s", reason, error)
        return first
    logger.warning("a process starts that keeps its metrics in %s: %s", second, reason)
    return second


def shown(folder: Path) -> list[Path]:
    """The files that /metrics of a process tells that keeps its own in `folder`: all there, and the work process's."""
    places = {place for own in spare.both(folder) for place in (own, own.parent / "work")}
    return sorted({path for place in places for path in place.glob("*.db")})


def _tried(folder: Path) -> Path:
    """The folder, in which there is room. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".room-{os.getpid()}"
    try:
        with probe.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, ROOM)
    finally:
        probe.unlink(missing_ok=True)
    return folder


def _forget_machines(folder: Path, living: set[str]) -> None:
    """Remove the folders of machines (of containers, say, that get a new name each time) from which nothing came."""
    for path in folder.glob("serve-*"):
        if path.name not in living and time.time() - path.stat().st_mtime > FORGOTTEN_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
