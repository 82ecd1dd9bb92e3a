"""Where processes keep their metrics: one folder for the workers of each machine, one for the work process.

    DATA_DIR/metrics/serve-<host>/    what /metrics of that machine tells
    DATA_DIR/metrics/work/            told by every machine, wherever the work process runs

Files are named by pid, which two machines may give twice; and each machine's numbers should be asked for there.
"""

import shutil
import time
from pathlib import Path

from api.heartbeats import HOST, Heartbeats

HEIR = 0
"""Stands for the dead in the names of files; no process has this number."""
FORGOTTEN_SECONDS = 86400.0


def of(data_dir: Path, role: str) -> Path:
    """The folder of this machine's processes of a role, `serve` or `work`."""
    return (data_dir / "metrics" / ("work" if role == "work" else f"serve-{HOST}")).absolute()


def begin(data_dir: Path, role: str) -> None:
    """Make the folder before processes of a role start, without what dead ones left; those that run keep theirs."""
    heartbeats, folder = Heartbeats(data_dir / "workers"), of(data_dir, role)
    here = [state for state in heartbeats.alive(role) if role == "work" or state.get("host") == HOST]
    living = {str(state["pid"]) for state in here} | ({str(HEIR)} if here else set())
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.db"):
        if path.stem.rpartition("_")[2] not in living:
            path.unlink(missing_ok=True)
    _forget_machines(
        folder.parent, {f"serve-{state.get('host')}" for state in heartbeats.alive("serve")} | {folder.name}
    )


def shown(folder: Path) -> list[Path]:
    """The files that /metrics of a process tells that keeps its own in `folder`: all there, and the work process's."""
    return sorted({*folder.glob("*.db"), *(folder.parent / "work").glob("*.db")})


def _forget_machines(folder: Path, living: set[str]) -> None:
    """Remove the folders of machines (of containers, say, that get a new name each time) from which nothing came."""
    for path in folder.glob("serve-*"):
        if path.name not in living and time.time() - path.stat().st_mtime > FORGOTTEN_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
