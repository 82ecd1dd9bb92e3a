"""The parent of `talentfeed serve`: one work process and N serve workers, started again when they die.

It holds the listening socket, so a worker that dies loses only the requests it was answering; the others go on taking
connections. SIGTERM and SIGINT end everything in order: workers drain first, the work process flushes last. SIGHUP asks
for a reload, SIGUSR2 for a rolling restart.
"""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from api import metrics_files, metrics_folders, services, spare
from api.children import STEADY_SECONDS, Child, await_end
from api.heartbeats import Heartbeats
from api.reloads import Reloads
from api.rolling import roll
from api.settings import METRICS_FOLDER, ONE_THREAD, ServiceSettings

logger = logging.getLogger(__name__)
TICK_SECONDS = 0.1
BACKLOG = 2048
BAD_SETTINGS = 2


class Supervisor:
    """Runs the children of one role until a signal ends it."""

    def __init__(self, settings: ServiceSettings, role: str) -> None:
        self._settings, self._role = settings, role
        self._stop_signal, self._began = 0, time.monotonic()
        self._reload = self._restart = False
        self._refusal: int | None = 0
        self._rolling: Iterator[None] | None = None
        self._heartbeats = Heartbeats(settings.data_dir / "workers")
        self.children: list[Child] = []

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit code. Raises OSError when the port cannot be had."""
        listener = listen(self._settings.host, self._settings.port) if self._role != "work" else None
        self._prepare()
        self.children = self._plan(listener)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
            signal.signal(number, self._on_signal)
        if listener:
            logger.info("serving http://%s:%d with %d workers", *listener.getsockname()[:2], self._settings.workers)
        code = self._watch()
        self._shut_down(listener)
        return code

    def _prepare(self) -> None:
        self._heartbeats.clean()
        for role in ("work", "serve") if self._role == "all" else (self._role,):
            metrics_folders.begin(self._settings.data_dir, role)
        services.admin_token(self._settings)

    def _plan(self, listener: socket.socket | None) -> list[Child]:
        environment = {}
        if self._settings.ssh_host and self._settings.redis_host and not self._settings.tunnel_redis_port:
            environment["TUNNEL_REDIS_PORT"] = str(free_port())
        children = []
        if self._role != "serve":
            working = environment | {METRICS_FOLDER: str(metrics_folders.of(self._settings.data_dir, "work"))}
            children.append(Child("work", [sys.executable, "-m", "api.work"], (), working))
        if listener:
            command = [sys.executable, "-m", "api.worker", str(listener.fileno())]
            names = [f"worker {number}" for number in range(1, self._settings.workers + 1)]
            folder = metrics_folders.of(self._settings.data_dir, "serve")
            serving = environment | ONE_THREAD | {METRICS_FOLDER: str(folder)}
            children += [Child(name, command, (listener.fileno(),), serving) for name in names]
        return children

    def _watch(self) -> int:
        """Keep the children running; 0 after a signal, 2 when a child refuses the settings at the start."""
        while not self._stop_signal:
            now = time.monotonic()
            for child in list(self.children):
                pid = child.process.pid if child.process else 0
                code = child.ended(now)
                if code is not None:
                    metrics_files.bury(Path(child.environment[METRICS_FOLDER]), pid)
                    self._heartbeats.remove(pid)
                if code == BAD_SETTINGS and self._rolling is None and now - self._began < STEADY_SECONDS:
                    return BAD_SETTINGS
                with self._going_on():
                    self._look_after(child, code, now)
            self._ask_for_reload()
            with self._going_on():
                self._roll()
            time.sleep(TICK_SECONDS)
        return 0

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """What the system refuses ends nobody: each kind of it is told once, and tried again at the next turn."""
        try:
            yield
        except OSError as error:
            if error.errno != self._refusal:
                self._refusal = error.errno
                logger.error("the parent goes on without what it could not do: %s", error)

    def _ask_for_reload(self) -> None:
        """After SIGHUP. On a disk that takes nothing this is told, and SIGHUP may be sent again."""
        if self._reload:
            self._reload = False
            try:
                Reloads(self._settings.data_dir / "reloads").request("SIGHUP")
            except OSError as error:
                logger.error("DATA_DIR: SIGHUP is in vain, the reload cannot be asked for: %s", error)

    def _look_after(self, child: Child, code: int | None, now: float) -> None:
        """Start a child that does not run, unless it was retired."""
        if child.retiring:
            if child.process is None:
                self.children.remove(child)
                logger.info("%s ended with %s; another one has its place", child.name, code)
            return
        if code is not None:
            logger.error("%s ended with %s; it starts again", child.name, _told(code))
        if child.process is None and now >= child.start_after:
            folder = metrics_folders.with_room(Path(child.environment[METRICS_FOLDER]))
            child.environment = {**child.environment, METRICS_FOLDER: str(folder)}
            child.start(now)
            self._refusal = 0

    def _roll(self) -> None:
        """A step of the rolling restart, if one was asked for."""
        if self._restart and self._rolling is None:
            logger.info("replacing all processes, one after another")
            patience = self._settings.drain_seconds + self._settings.shutdown_seconds + 2.0
            self._rolling = roll(self.children, self._heartbeats, patience=patience)
        self._restart = False
        if self._rolling and next(self._rolling, "done") == "done":
            self._rolling = None

    def _shut_down(self, listener: socket.socket | None) -> None:
        """Workers first (they drain on SIGTERM, and end at once on SIGINT), then the work process.

        In between the socket closes: whoever connects during the last flush is refused at once, not kept waiting.
        """
        number = self._stop_signal or signal.SIGTERM
        workers = [child for child in self.children if child.name != "work"]
        work = [child for child in self.children if child.name == "work"]
        patience = self._settings.shutdown_seconds + (self._settings.drain_seconds if number == signal.SIGTERM else 0)
        for group, ending, seconds in ((workers, number, patience), (work, signal.SIGTERM, patience)):
            for child in group:
                child.signal(ending)
            await_end(group, seconds + 2.0)
            if group is workers and listener:
                listener.close()
        for child in workers + work:
            spare.clear(Path(child.environment[METRICS_FOLDER]))
        spare.clear(self._heartbeats.folder)
        logger.info("stopped")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reload = True
        elif number == signal.SIGUSR2:
            self._restart = True
        else:
            self._stop_signal = number


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


def _told(code: int) -> str:
    """An exit code, or the signal behind it.

    >>> _told(1), _told(-9)
    ('1', 'SIGKILL')
    """
    if code >= 0:
        return str(code)
    name = signal.Signals(-code).name
    return f"{name} (is the disk of DATA_DIR full?)" if name == "SIGBUS" else name
