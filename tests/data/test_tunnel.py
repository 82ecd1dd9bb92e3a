"""The SSH tunnel against a real sshd."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import pytest

from data.tunnel import Tunnel, TunnelConfig, TunnelError
from tests.support.processes import free_port
from tests.support.servers import Sshd


class Echo:
    """A TCP server that gives back what it gets."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[link], daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with link, suppress(ConnectionError):
            while data := link.recv(65536):
                link.sendall(data)

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def config(sshd: Sshd, echo: Echo) -> TunnelConfig:
    return TunnelConfig(
        name="test",
        ssh_host=sshd.host,
        ssh_port=sshd.port,
        ssh_user=sshd.user,
        key_path=sshd.key_path,
        known_hosts=sshd.known_hosts,
        remote_host="127.0.0.1",
        remote_port=echo.port,
        connect_seconds=5,
        longest_wait_seconds=0.5,
    )


Opener = Callable[[TunnelConfig], Tunnel]


@pytest.fixture
def opened() -> Iterator[Opener]:
    tunnels: list[Tunnel] = []

    def start(config: TunnelConfig) -> Tunnel:
        tunnels.append(Tunnel(config).start())
        return tunnels[-1]

    yield start
    for tunnel in tunnels:
        tunnel.close()


def said(tunnel: Tunnel, words: bytes) -> bytes:
    """What comes back through the tunnel."""
    with socket.create_connection(tunnel.local_address, 5) as link:
        link.sendall(words)
        link.shutdown(socket.SHUT_WR)
        answer = b""
        while data := link.recv(65536):
            answer += data
        return answer


def ended(link: socket.socket) -> bool:
    """Whether the other side has closed or reset the connection."""
    link.settimeout(10)
    try:
        return link.recv(1) == b""
    except ConnectionResetError:
        return True


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = monotonic() + seconds
    while not holds():
        assert monotonic() < deadline, "it did not come to hold"
        sleep(0.02)


def test_bytes_go_there_and_back(config: TunnelConfig, opened: Opener) -> None:
    tunnel = opened(config)
    tunnel.wait_up(30)
    words = bytes(range(256)) * 8_000
    assert said(tunnel, words) == words
    assert tunnel.state.up
    assert tunnel.local_address[0] == "127.0.0.1"


def test_many_connections_at_once_do_not_mix(config: TunnelConfig, opened: Opener) -> None:
    tunnel = opened(config)
    tunnel.wait_up(30)
    answers: dict[int, bytes] = {}

    def ask(number: int) -> None:
        answers[number] = said(tunnel, str(number).encode() * 10_000)

    threads = [threading.Thread(target=ask, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == {number: str(number).encode() * 10_000 for number in range(20)}


def test_an_unknown_host_key_is_refused_and_says_what_to_do(
    config: TunnelConfig, opened: Opener, tmp_path: Path
) -> None:
    (tmp_path / "known_hosts").write_text("")
    tunnel = opened(replace(config, known_hosts=tmp_path / "known_hosts"))
    with pytest.raises(TunnelError, match=r"SSH_KNOWN_HOSTS: .* does not know .*ssh-keyscan"):
        tunnel.wait_up(30)
    assert not tunnel.state.up


def test_a_changed_host_key_is_refused_until_the_line_is_replaced(
    config: TunnelConfig, opened: Opener, sshd: Sshd
) -> None:
    sshd.change_host_key()
    sshd.restart()
    tunnel = opened(config)
    with pytest.raises(TunnelError, match=r"SSH_KNOWN_HOSTS: the key of .* changed"):
        tunnel.wait_up(30)
    sshd.known_hosts.write_text(sshd.host_line())
    until(lambda: tunnel.state.up)
    assert said(tunnel, b"hello") == b"hello"


@pytest.mark.parametrize("kill", [True, False])
def test_a_dead_sshd_is_noticed_and_comes_back_on_the_same_local_port(
    config: TunnelConfig, opened: Opener, sshd: Sshd, kill: bool
) -> None:
    tunnel = opened(config if kill else replace(config, keepalive_seconds=1.0))
    tunnel.wait_up(30)
    address = tunnel.local_address
    with socket.create_connection(address, 5) as idle:
        idle.sendall(b"x")
        assert idle.recv(1) == b"x"
        if kill:
            sshd.kill()
        else:
            sshd.freeze()
        until(lambda: not tunnel.state.up)
        assert ended(idle)
    assert "SSH_HOST" in str(tunnel.state.last_error)
    sshd.kill()
    sshd.start()
    until(lambda: tunnel.state.up)
    assert tunnel.local_address == address
    assert tunnel.state.reconnects >= 1  # a busy machine looks frozen too
    assert said(tunnel, b"again") == b"again"


def test_while_ssh_is_away_a_connection_is_closed_at_once(config: TunnelConfig, opened: Opener, sshd: Sshd) -> None:
    tunnel = opened(config)
    tunnel.wait_up(30)
    sshd.kill()
    until(lambda: not tunnel.state.up)
    with socket.create_connection(tunnel.local_address, 5) as link:
        assert ended(link)


def test_a_far_end_where_nothing_listens_shows_in_the_state(config: TunnelConfig, opened: Opener) -> None:
    port = free_port()
    tunnel = opened(replace(config, remote_port=port))
    tunnel.wait_up(30)
    with socket.create_connection(tunnel.local_address, 5) as link:
        assert ended(link)
    until(lambda: tunnel.state.last_error is not None)
    assert f"127.0.0.1:{port} cannot be reached from SSH_HOST" in str(tunnel.state.last_error)
    assert tunnel.state.up


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("key_path", "missing", r"SSH_KEY_PATH: .*missing cannot be read"),
        ("key_path", "garbage", r"SSH_KEY_PATH: .*garbage is no private key"),
        ("known_hosts", "missing", r"SSH_KNOWN_HOSTS: .*missing cannot be read"),
    ],
)
def test_a_wrong_file_is_named_with_its_setting(
    config: TunnelConfig, opened: Opener, tmp_path: Path, field: str, value: str, named: str
) -> None:
    (tmp_path / "garbage").write_text("no key")
    tunnel = opened(replace(config, **{field: tmp_path / value}))
    with pytest.raises(TunnelError, match=named):
        tunnel.wait_up(30)


def test_a_refused_key_and_user_are_named(config: TunnelConfig, opened: Opener) -> None:
    tunnel = opened(replace(config, ssh_user="nobody-of-this-name"))
    with pytest.raises(TunnelError, match=r"SSH_USER, SSH_KEY_PATH: .* refuses user nobody-of-this-name"):
        tunnel.wait_up(30)


def test_a_port_where_nothing_listens_is_named_after_the_wait(config: TunnelConfig, opened: Opener) -> None:
    tunnel = opened(replace(config, ssh_port=free_port()))
    until(lambda: tunnel.state.last_error is not None)
    with pytest.raises(TunnelError, match=r"SSH_HOST:SSH_PORT: nothing answers at 127\.0\.0\.1:\d+"):
        tunnel.wait_up(0.1)


def test_a_local_port_that_is_taken_is_named(config: TunnelConfig, echo: Echo) -> None:
    with pytest.raises(TunnelError, match=r"cannot listen on 127\.0\.0\.1"):
        Tunnel(replace(config, local_port=echo.port)).start()


def test_closing_frees_the_port_and_ends_the_thread(config: TunnelConfig) -> None:
    tunnel = Tunnel(config).start()
    tunnel.wait_up(30)
    address = tunnel.local_address
    tunnel.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, 1)
    assert not [thread for thread in threading.enumerate() if thread.name == "tunnel-test"]


def test_closing_under_an_open_connection_logs_no_trace(
    config: TunnelConfig, opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    tunnel = opened(config)
    tunnel.wait_up(30)
    with socket.create_connection(tunnel.local_address, 5) as link:
        link.sendall(b"hello")
        assert link.recv(5) == b"hello"
        tunnel.close()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


def test_the_log_says_that_ssh_is_up_although_the_far_end_is_not(
    config: TunnelConfig, opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    tunnel = opened(replace(config, remote_port=free_port()))
    tunnel.wait_up(30)
    with socket.create_connection(tunnel.local_address, 5) as link:
        assert ended(link)
    until(lambda: tunnel.state.last_error is not None)
    tunnel.close()
    said_of_far_end = [record for record in caplog.records if "cannot be reached from SSH_HOST" in record.getMessage()]
    assert [record.levelname for record in said_of_far_end] == ["WARNING"]
    assert "SSH connection is up" in said_of_far_end[0].getMessage()
