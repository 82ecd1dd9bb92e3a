"""A supervised SSH tunnel: a local port that leads to one address behind an SSH server, for as long as it is open.

It runs in a thread of its own. The local port stays bound to 127.0.0.1 from `start()` to `close()`; while the server is
away, connections to it are closed at once and reconnection goes on for ever, with jitter. The server's key must be in
the known_hosts file; a frozen server is noticed by keepalive (12 s by default).

With a `probe` the far end is asked every few seconds whether it answers (`state.answers`); without one, an end that
cannot be reached shows in `state.last_error` when somebody connects.
"""

import asyncio
import logging
import random
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import asyncssh

from data.tunnel_errors import explain, is_passing
from data.tunnel_link import join
from data.tunnel_probe import EVERY_SECONDS, Probe, Prober

logger = logging.getLogger(__name__)


class TunnelError(Exception):
    """A tunnel that is not up; the message names the setting when it is a setting's fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelConfig:
    """One tunnel. `remote_host` and `remote_port` are seen from the SSH server; `local_port` 0 takes a free one."""

    name: str
    ssh_host: str
    ssh_user: str
    key_path: Path
    known_hosts: Path
    remote_host: str
    remote_port: int
    ssh_port: int = 22
    local_port: int = 0
    connect_seconds: float = 10.0
    keepalive_seconds: float = 3.0
    keepalive_misses: int = 3
    longest_wait_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelState:
    """How a tunnel is: `since` when it is up or down, how often it came back, and the last thing that went wrong.

    `answers` is what the last probe of the far end found, at `probed`; None while SSH is down or nobody has asked.
    """

    name: str
    up: bool
    since: datetime
    reconnects: int = 0
    last_error: str | None = None
    answers: bool | None = None
    probed: datetime | None = None


class Tunnel:
    """One tunnel; `start()` it, connect to `local_address`, `close()` it. Not usable after a fork."""

    def __init__(self, config: TunnelConfig, probe: Probe | None = None, probe_seconds: float = EVERY_SECONDS) -> None:
        self._config = config
        self._prober = Prober(config.name, lambda: probe(self.local_address), probe_seconds) if probe else None
        self._state = TunnelState(name=config.name, up=False, since=datetime.now(UTC))
        self._changed = threading.Condition()
        self._local: tuple[str, int] | None = None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name=f"tunnel-{config.name}", daemon=True)
        self._links: set[asyncio.Task[None]] = set()
        self._passing = True
        self._bind_error: OSError | None = None

    @property
    def local_address(self) -> tuple[str, int]:
        """Host and port to connect to; the same from `start()` to `close()`."""
        if self._local is None:
            raise TunnelError(f"tunnel {self._config.name} is not started")
        return self._local

    @property
    def state(self) -> TunnelState:
        """How it is now."""
        return self._state

    def start(self) -> "Tunnel":
        """Bind the local port and begin to connect; does not wait for the server. `TunnelError`: port taken."""
        asyncssh.set_log_level(logging.WARNING)
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._local is not None or self._bind_error is not None)
        if self._bind_error is not None:
            raise TunnelError(f"tunnel {self._config.name}: cannot listen on 127.0.0.1: {self._bind_error}")
        if self._prober:
            self._prober.start(lambda: self._state.up, self._probed, self._renew)
        return self

    def wait_up(self, seconds: float) -> None:
        """Wait until the tunnel is up. Raises `TunnelError` after `seconds`, or at once when waiting cannot help."""
        with self._changed:
            self._changed.wait_for(lambda: self._state.up or not self._passing, seconds)
        if not self._state.up:
            raise TunnelError(self._state.last_error or f"tunnel {self._config.name} is not up after {seconds:g} s")

    def close(self) -> None:
        """Close the connection and the local port and end the thread."""
        if self._prober:
            self._prober.stop()
        if self._loop is not None and self._main is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._main.cancel)
            self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            self._loop = runner.get_loop()
            runner.run(self._supervise())

    async def _supervise(self) -> None:
        """Keep one SSH connection open until cancelled."""
        self._main = asyncio.current_task()
        try:
            server = await asyncio.start_server(self._accept, "127.0.0.1", self._config.local_port)
        except OSError as error:
            self._bind_error = error
            self._notify()
            return
        host, port = server.sockets[0].getsockname()[:2]
        self._local = (str(host), int(port))
        self._notify()
        try:
            await self._keep_connected()
        except asyncio.CancelledError:
            self._state = replace(self._state, up=False, since=datetime.now(UTC))
            logger.info("tunnel %s: closed", self._config.name)
        finally:
            server.close()
            if self._connection is not None:
                self._connection.abort()

    async def _keep_connected(self) -> None:
        failures = 0
        while True:
            lost = asyncio.get_running_loop().create_future()
            try:
                self._connection = await self._connect(lost)
            except (asyncssh.Error, OSError, TimeoutError, ValueError) as error:
                failures += 1
                self._failed(error)
            else:
                failures = 0
                self._passing = True
                self._set(up=True)
                reason = await lost
                self._connection = None
                self._set(
                    up=False, last_error=f"SSH_HOST: the connection was lost ({reason or 'closed by the server'})"
                )
            wait = min(0.2 * 2.0**failures, self._config.longest_wait_seconds)
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))

    async def _connect(self, lost: "asyncio.Future[str | None]") -> asyncssh.SSHClientConnection:
        config = self._config
        for path in (config.key_path, config.known_hosts):
            path.open("rb").close()
        return await asyncssh.connect(
            config.ssh_host,
            config.ssh_port,
            config=None,
            username=config.ssh_user,
            client_keys=[asyncssh.read_private_key(str(config.key_path))],
            known_hosts=str(config.known_hosts),
            x509_trusted_certs=None,
            agent_path=None,
            preferred_auth="publickey",
            connect_timeout=config.connect_seconds,
            keepalive_interval=config.keepalive_seconds,
            keepalive_count_max=config.keepalive_misses,
            client_factory=lambda: _Watch(lost),
        )

    def _failed(self, error: Exception) -> None:
        config = self._config
        words = explain(error, config.ssh_host, config.ssh_port, config.ssh_user, (config.key_path, config.known_hosts))
        self._passing = is_passing(error)
        self._set(up=False, last_error=words)

    def _set(self, *, up: bool, last_error: str | None = None) -> None:
        before = self._state
        since = before.since if before.up == up else datetime.now(UTC)
        came_back = up and not before.up and before.last_error is not None
        answers = before.answers if up and before.up else None
        after = replace(before, up=up, since=since, reconnects=before.reconnects + came_back, answers=answers)
        self._state = replace(after, last_error=last_error or before.last_error)
        if (up, self._state.last_error) != (before.up, before.last_error):
            level = logging.WARNING if last_error else logging.INFO
            words = f"the SSH connection is {'up' if up else 'down'}" + (f", but {last_error}" if last_error else "")
            logger.log(level, "tunnel %s: %s", before.name, words if up else self._state.last_error)
        self._notify()

    def _probed(self, error: Exception | None) -> None:
        """Note what a probe found; called by its thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._note, error)

    def _note(self, error: Exception | None) -> None:
        state, far = self._state, f"{self._config.remote_host}:{self._config.remote_port}"
        if not state.up:
            return
        words = f"{far} does not answer through SSH_HOST ({error or 'silence'})" if error is not None else None
        if (error is None) != bool(state.answers):
            level = logging.INFO if error is None else logging.WARNING
            logger.log(level, "tunnel %s: %s", state.name, words or f"{far} answers")
        found = replace(state, answers=error is None, probed=datetime.now(UTC))
        self._state = replace(found, last_error=words) if words else found

    def _renew(self) -> None:
        """Make the SSH connection anew; called by the probe's thread when the far end has been silent."""
        if self._loop is not None and self._connection is not None:
            logger.warning("tunnel %s: the far end is silent, the SSH connection is made anew", self._config.name)
            self._loop.call_soon_threadsafe(self._connection.abort)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve in a task of our own: asyncio's logs a trace when the tunnel is closed under it."""
        link = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join one local connection with a channel of its own; without SSH it is closed at once."""
        connection, far = self._connection, (self._config.remote_host, self._config.remote_port)
        try:
            if connection is not None:
                await join(connection.open_connection(*far), self._config.connect_seconds, reader, writer)
        except (asyncssh.Error, OSError, TimeoutError) as error:
            where = f"{far[0]}:{far[1]} cannot be reached from SSH_HOST ({error})"
            self._set(up=self._state.up, last_error=where)
        finally:
            writer.transport.abort()


class _Watch(asyncssh.SSHClient):
    """Says when and why the SSH connection ends."""

    def __init__(self, lost: "asyncio.Future[str | None]") -> None:
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._lost.done():
            self._lost.set_result(str(exc) if exc else None)
