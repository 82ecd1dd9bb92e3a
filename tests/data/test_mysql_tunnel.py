"""Loads from MySQL through a tunnel that is wrong, or breaks."""

from pathlib import Path

import pytest

from data.sources.base import LoadError
from data.sources.mysql import MySQLSource
from data.sources.mysql_connection import MySQLConfig
from tests.suites.test_sources import ROWS
from tests.support.loads import between_tables, filled, tunnelled
from tests.support.processes import free_port
from tests.support.servers import Database, Sshd


@pytest.fixture
def config(database: Database) -> MySQLConfig:
    return filled(database)


def test_a_tunnel_whose_host_key_is_unknown_is_named(config: MySQLConfig, sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text("")
    expected = pytest.raises(LoadError, match="SSH_KNOWN_HOSTS")
    with tunnelled(sshd, config, known_hosts=tmp_path / "known_hosts") as tunnel, expected:
        MySQLSource(config, tunnel=tunnel).load()


def test_a_database_that_the_ssh_host_cannot_reach_is_named(config: MySQLConfig, sshd: Sshd) -> None:
    port = free_port()
    expected = pytest.raises(
        LoadError, match=f"MYSQL_HOST:MYSQL_PORT.*127.0.0.1:{port} cannot be reached from SSH_HOST"
    )
    with tunnelled(sshd, config, remote_port=port) as tunnel, expected:
        MySQLSource(config, tunnel=tunnel).load()


def test_a_load_survives_a_restart_of_sshd_in_its_middle(
    config: MySQLConfig, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables: list[str] = []

    def restart(table: str) -> None:
        tables.append(table)
        if tables == ["users", "videos"]:
            sshd.kill()
            sshd.start()

    with tunnelled(sshd, config) as tunnel, between_tables(monkeypatch, restart):
        assert len(MySQLSource(config, tunnel=tunnel).load().users) == len(ROWS["users"])
        assert tunnel.state.reconnects == 1
