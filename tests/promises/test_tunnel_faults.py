"""Whatever happens to SSH: noticed within 15 s, reconnected for ever on the same local port, never to a stranger."""

import random
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import monotonic, sleep

import pandas as pd
import pytest

from data.sources.base import LoadError
from data.sources.mysql import MySQLSource
from data.sources.mysql_connection import MySQLConfig, ping
from data.tunnel import Tunnel, TunnelConfig
from data.tunnel_probe import Address, Probe
from tests.support.loads import filled, tunnelled
from tests.support.servers import Database, MariaDB, Redis, Sshd
from tracking.redis_client import RedisConfig, patient_client

NOTICED_SECONDS, PATIENT_SECONDS = 15.0, 30.0


def until(holds: Callable[[], bool], seconds: float = 40) -> None:
    """Wait for something to hold."""
    deadline = monotonic() + seconds
    while not holds():
        assert monotonic() < deadline, "it did not come to hold in time"
        sleep(0.02)


def mysql_probe(config: MySQLConfig, seconds: float = 1.0) -> Probe:
    return lambda address: ping(replace(config, host=address[0], port=address[1]), seconds)


def redis_probe(address: Address) -> None:
    client = patient_client(RedisConfig(host=address[0], port=address[1]))
    try:
        client.ping()
    finally:
        client.close()


@pytest.fixture
def config(database: Database) -> MySQLConfig:
    return filled(database)


@pytest.fixture
def tunnel(config: MySQLConfig, sshd: Sshd) -> Iterator[Tunnel]:
    """A tunnel with the keepalive that the service has, and a probe."""
    with tunnelled(sshd, config, probe=mysql_probe(config), probe_seconds=0.3) as tunnel:
        tunnel.wait_up(30)
        yield tunnel


def loads(config: MySQLConfig, tunnel: Tunnel) -> bool:
    return len(MySQLSource(config, tunnel=tunnel).load().users) > 0


def test_a_frozen_sshd_is_noticed_within_15_seconds(tunnel: Tunnel, sshd: Sshd) -> None:
    until(lambda: tunnel.state.answers is True)
    sshd.freeze()
    until(lambda: not tunnel.state.up or tunnel.state.answers is False, NOTICED_SECONDS)
    assert tunnel.state.last_error
    until(lambda: not tunnel.state.up, NOTICED_SECONDS)
    sshd.thaw()
    until(lambda: tunnel.state.answers is True)


def test_sshd_may_die_again_and_again_and_the_local_port_stays(sshd: Sshd, config: MySQLConfig) -> None:
    """The probe is patient: one that two slow answers make impatient would connect once more."""
    with tunnelled(sshd, config, probe=mysql_probe(config, PATIENT_SECONDS), probe_seconds=0.3) as tunnel:
        tunnel.wait_up(30)
        address = tunnel.local_address
        for round_number in range(1, 4):
            sshd.kill()
            until(lambda: not tunnel.state.up, NOTICED_SECONDS)
            assert tunnel.state.answers is None
            sshd.start()
            until(lambda: tunnel.state.answers is True)
            assert (tunnel.local_address, tunnel.state.reconnects) == (address, round_number)
        assert loads(config, tunnel)


def test_a_changed_host_key_is_refused_and_says_what_to_do_until_it_is_done(
    tunnel: Tunnel, sshd: Sshd, config: MySQLConfig
) -> None:
    sshd.change_host_key()
    sshd.restart()
    expected = pytest.raises(LoadError, match=r"SSH_KNOWN_HOSTS: the key of .* changed.*replace the line")
    until(lambda: "SSH_KNOWN_HOSTS" in str(tunnel.state.last_error))
    with expected:
        loads(config, tunnel)
    sshd.known_hosts.write_text(sshd.host_line())
    until(lambda: tunnel.state.up)
    assert loads(config, tunnel)


def test_a_frozen_mysql_behind_a_healthy_ssh_is_noticed(own_mariadb: MariaDB, sshd: Sshd) -> None:
    config = filled(own_mariadb.new_database())
    with tunnelled(sshd, config, probe=mysql_probe(config), probe_seconds=0.2) as tunnel:
        until(lambda: tunnel.state.answers is True)
        own_mariadb.freeze()
        until(lambda: "not answer through SSH_HOST (silent for 1 s)" in str(tunnel.state.last_error), NOTICED_SECONDS)
        until(lambda: tunnel.state.answers is False)
        own_mariadb.thaw()
        until(lambda: tunnel.state.answers is True)


def test_a_probe_names_what_the_server_says(config: MySQLConfig, sshd: Sshd) -> None:
    wrong = replace(config, password="wrong")
    with tunnelled(sshd, config, probe=mysql_probe(wrong), probe_seconds=0.2) as tunnel:
        until(lambda: "MYSQL_USER, MYSQL_PASSWORD" in str(tunnel.state.last_error))
        until(lambda: tunnel.state.answers is False and tunnel.state.up)


def test_probes_never_make_mysql_block_this_host(own_mariadb: MariaDB, sshd: Sshd) -> None:
    """It counts connections that break off before the login, and blocks a host after `max_connect_errors` in a row."""
    database = own_mariadb.new_database()
    config, probed = filled(database), set[object]()

    def broken_off() -> object:
        return database.run("SHOW GLOBAL STATUS LIKE 'Aborted_connects'")[0][1]

    def probed_often() -> bool:
        probed.add(tunnel.state.probed)
        return len(probed) > 20

    before = broken_off()
    with tunnelled(sshd, config, probe=mysql_probe(config, PATIENT_SECONDS), probe_seconds=0.02) as tunnel:
        until(probed_often)
        assert tunnel.state.answers
        assert loads(config, tunnel)
        assert broken_off() == before


def test_redis_is_asked_through_its_tunnel_too(redis_server: Redis, sshd: Sshd) -> None:
    config = TunnelConfig(
        name="redis",
        ssh_host=sshd.host,
        ssh_port=sshd.port,
        ssh_user=sshd.user,
        key_path=sshd.key_path,
        known_hosts=sshd.known_hosts,
        remote_host=redis_server.host,
        remote_port=redis_server.port,
    )
    tunnel = Tunnel(config, redis_probe, 0.2).start()
    try:
        until(lambda: tunnel.state.answers is True)
        redis_server.kill()
        until(lambda: tunnel.state.answers is False, NOTICED_SECONDS)
        redis_server.start()
        until(lambda: tunnel.state.answers is True)
    finally:
        tunnel.close()


class Cutter:
    """A way to sshd that breaks after a random number of bytes."""

    def __init__(self, port: int, seed: int) -> None:
        self._port, self._draw, self.cuts = port, random.Random(seed), 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            left = self._draw.choice([2_000, 20_000, 60_000, 200_000])
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=[source, target, left], daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, left: int) -> None:
        try:
            while left > 0 and (data := source.recv(4096)):
                target.sendall(data)
                left -= len(data)
            self.cuts += left <= 0
        except OSError:
            pass
        finally:
            for link in (source, target):
                link.close()

    def close(self) -> None:
        self._server.close()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", range(2))
def test_a_tunnel_that_is_cut_at_random_gives_whole_loads_or_none(config: MySQLConfig, sshd: Sshd, seed: int) -> None:
    whole, link = MySQLSource(config).load(), Cutter(sshd.port, seed)
    sshd.known_hosts.write_text(sshd.host_line() + sshd.host_line().replace(str(sshd.port), str(link.port)))
    tried = good = 0
    with tunnelled(sshd, config, ssh_port=link.port, longest_wait_seconds=0.3) as tunnel:
        address = tunnel.local_address
        while tried < 8 or not (good and link.cuts):  # a busy machine needs more
            tried += 1
            try:
                found = MySQLSource(replace(config, attempts=3), tunnel=tunnel).load()
            except LoadError:
                continue
            good += 1
            pd.testing.assert_frame_equal(found.interactions, whole.interactions)
            pd.testing.assert_frame_equal(found.videos, whole.videos)
        assert tunnel.local_address == address
    link.close()
