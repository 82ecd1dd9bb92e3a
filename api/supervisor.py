"""The parent of `talentfeed serve`: one work process and N serve workers, started again when they die.

It holds the listening socket, so a worker that dies loses only the requests it was answering; the others go on taking
connections. SIGTERM and SIGINT end everything in order: workers drain first, the work process flushes last. SIGHUP asks
for a reload.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from types import FrameType

from api import services
from api.heartbeats import Heartbeats
from api.reloads import Reloads
from api.settings import METRICS_FOLDER, ONE_THREAD, ServiceSettings, child_environment

logger = logging.getLogger(__name__)
TICK_SECONDS = 0.1
STEADY_SECONDS = 30.0
LONGEST_PAUSE = 15.0
BACKLOG = 2048
BAD_SETTINGS = 2


@dataclass(slots=True)
class Child:
    """One process that should always run."""

    name: str
    command: list[str]
    descriptors: tuple[int, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started_at: float = 0.0
    start_after: float = 0.0

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

    def signal(self, number: int) -> None:
        """Send a signal if it runs."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)


class Supervisor:
    """Runs the children of one role until a signal ends it."""

    def __init__(self, settings: ServiceSettings, role: str) -> None:
        self._settings, self._role = settings, role
        self._stop_signal = 0
        self._reload = False
        self.children: list[Child] = []

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit code. Raises OSError when the port cannot be had."""
        listener = listen(self._settings.host, self._settings.port) if self._role != "work" else None
        self._prepare()
        self.children = self._plan(listener)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        if listener:
            logger.info("serving http://%s:%d with %d workers", *listener.getsockname()[:2], self._settings.workers)
        code = self._watch()
        self._shut_down()
        if listener:
            listener.close()
        return code

    def _prepare(self) -> None:
        Heartbeats(self._settings.data_dir / "workers").clean()
        folder = self._settings.data_dir / "metrics"
        folder.mkdir(parents=True, exist_ok=True)
        if self._role != "work" and not Heartbeats(self._settings.data_dir / "workers").alive("work"):
            for path in folder.glob("*.db"):
                path.unlink(missing_ok=True)
        services.admin_token(self._settings)

    def _plan(self, listener: socket.socket | None) -> list[Child]:
        environment = {METRICS_FOLDER: str((self._settings.data_dir / "metrics").absolute())}
        if self._settings.ssh_host and self._settings.redis_host and not self._settings.tunnel_redis_port:
            environment["TUNNEL_REDIS_PORT"] = str(free_port())
        children = []
        if self._role != "serve":
            children.append(Child("work", [sys.executable, "-m", "api.work"], (), environment))
        if listener:
            command = [sys.executable, "-m", "api.worker", str(listener.fileno())]
            names = [f"worker {number}" for number in range(1, self._settings.workers + 1)]
            serving = environment | ONE_THREAD
            children += [Child(name, command, (listener.fileno(),), serving) for name in names]
        return children

    def _watch(self) -> int:
        """Keep the children running; 0 after a signal, 2 when a child refuses the settings."""
        while not self._stop_signal:
            now = time.monotonic()
            for child in self.children:
                code = child.ended(now)
                if code == BAD_SETTINGS:
                    return BAD_SETTINGS
                if code is not None:
                    logger.error("%s ended with %d; it starts again", child.name, code)
                if child.process is None and now >= child.start_after:
                    child.start(now)
            if self._reload:
                self._reload = False
                Reloads(self._settings.data_dir / "reloads").request("SIGHUP")
            time.sleep(TICK_SECONDS)
        return 0

    def _shut_down(self) -> None:
        """Workers first (they drain on SIGTERM, and end at once on SIGINT), then the work process."""
        number = self._stop_signal or signal.SIGTERM
        workers = [child for child in self.children if child.name != "work"]
        work = [child for child in self.children if child.name == "work"]
        patience = self._settings.shutdown_seconds + (self._settings.drain_seconds if number == signal.SIGTERM else 0)
        for group, ending, seconds in ((workers, number, patience), (work, signal.SIGTERM, patience)):
            for child in group:
                child.signal(ending)
            _await(group, seconds + 2.0)
        logger.info("stopped")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reload = True
        else:
            self._stop_signal = number


def _await(children: list[Child], seconds: float) -> None:
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


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket. Raises OSError that names HOST or PORT."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise OSError(f"HOST: {host} is no address of this machine ({error.strerror})") from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise OSError(f"PORT: cannot listen on {host}:{port} ({os.strerror(error.errno or 0)})") from None
    return listener


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
