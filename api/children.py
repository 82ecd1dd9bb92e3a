"""The supervisor's children: each started again when it dies, ever more slowly when it dies early."""

import ctypes
import logging
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field

from api.settings import child_environment

logger = logging.getLogger(__name__)
STEADY_SECONDS = 30.0
LONGEST_PAUSE = 15.0
PR_SET_PDEATHSIG = 1  # of linux/prctl.h


@dataclass(slots=True, eq=False)
class Child:
    """One process that should always run, until it is retired."""

    name: str
    command: list[str]
    descriptors: tuple[int, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started_at: float = 0.0
    start_after: float = 0.0
    retiring: bool = False

    def start(self, now: float) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches it through the parent alone."""
        self.process = subprocess.Popen(
            self.command, pass_fds=self.descriptors, env=child_environment(**self.environment), start_new_session=True
        )
        self.started_at = now
        logger.info("%s started: pid=%d", self.name, self.process.pid)

    def ended(self, now: float) -> int | None:
        """Its exit code once it has ended, and the pause before it starts again: longer with each early death."""
        if self.process is None:
            return None
        code = self.process.poll()
        if code is not None:
            self.process = None
            self.failures = 0 if now - self.started_at > STEADY_SECONDS else self.failures + 1
            self.start_after = now + min(0.1 * 2.0**self.failures, LONGEST_PAUSE)
        return code

    def retire(self, number: int) -> None:
        """Ask it to end; it is not started again."""
        self.retiring = True
        self.signal(number)

    def signal(self, number: int) -> None:
        """Send a signal if it runs."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)


def await_end(children: list[Child], seconds: float) -> None:
    """Wait for children to end; kill what has not after `seconds`."""
    limit = time.monotonic() + seconds
    for child in children:
        if child.process is None:
            continue
        try:
            child.process.wait(max(0.0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            logger.error("%s did not end in %.0f s and is killed", child.name, seconds)
            child.process.kill()
            child.process.wait()


def end_with(parent: int) -> None:
    """Let Linux kill this process as soon as its parent, of that pid, has ended, by whatever."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(f"the parent, process {parent}, is gone")
