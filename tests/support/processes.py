"""A real server as a child process of the tests: started, stopped, killed, frozen and restarted on one port."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

PACKAGES = {
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
    "redis-server": "redis-server",
    "sshd": "openssh-server",
}
START_SECONDS = 30.0


class MissingServerError(RuntimeError):
    """A server's binary is not installed; the message names the Debian package that holds it."""


def binary(name: str) -> str:
    """The absolute path of a server's binary, looked for on PATH and in the system folders."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin")
    if found is None:
        raise MissingServerError(f"{name} is not installed: apt-get install {PACKAGES.get(name, name)}")
    return found


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def family(pid: int) -> list[int]:
    """A process and all its descendants, parents first (a session of sshd leaves its parent's process group)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found.extend(children.get(one, []))
    return found


class Server:
    """One server process in its own temporary folder, listening on 127.0.0.1.

    Subclasses say how it is prepared (`prepare`), started (`command`) and known to answer (`answers`). Use it as a
    context manager, or call `start()` and `close()`. `port` stays the same over `restart()`.
    """

    name = "server"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"talentfeed-{self.name}-"))
        self.host = "127.0.0.1"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self.prepare()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def prepare(self) -> None:
        """Make what the server needs in its folder, once."""

    def command(self) -> list[str]:
        """The command line that starts the server in the foreground."""
        raise AssertionError("a server says how it is started")

    def answers(self) -> bool:
        """Whether the server accepts connections."""
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex((self.host, self.port)) == 0

    def start(self) -> Self:
        """Start the process and wait until it answers; `RuntimeError` with the end of its log when it does not."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            if self.answers():
                return self
            time.sleep(0.02)
        log_end = (self.folder / "server.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{self.name} did not start on port {self.port}:\n{log_end}")

    def stop(self) -> None:
        """End the process politely (SIGTERM), and its children; a frozen one is thawed first."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process and its children at once (SIGKILL)."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the process and its children from running (SIGSTOP); connections stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process run on."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop (when it still runs) and start again: same port, same data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop for good and remove the folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        for pid in family(self.process.pid):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        self._signal(number)
        self.thaw()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self.process.wait(20)
        self.process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
