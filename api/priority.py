"""Letting a process run only on what the serving workers leave of the processors."""

import os
from contextlib import suppress
from pathlib import Path

NICENESS = 5  # of the session: a third of a busy worker's share; measured: p99 as when idle, and builds go on


def lower(pid: int) -> None:
    """Make a process nice, and its session with it. What the system does not allow is left as it is.

    Where Linux groups processes by session (`sched_autogroup_enabled`), niceness counts within one session alone: a
    build and a worker of two sessions share a processor half and half whatever their niceness. There the session has a
    niceness of its own, so the process should lead one (`start_new_session`).
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, NICENESS)
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(f"{NICENESS}\n", encoding="ascii")
