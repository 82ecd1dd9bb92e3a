"""Databases filled with the suite's rows, and something happening in the middle of a load."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from data.sources import mysql as module
from data.sources.mysql_connection import MySQLConfig
from data.tunnel import Tunnel, TunnelConfig
from data.tunnel_probe import Probe
from tests.suites.test_sources import ROWS, tables_of
from tests.support.servers import Database, Sshd


def filled(database: Database) -> MySQLConfig:
    """Fill a database with the rows that every source is tested on; how to load it."""
    with database.connect() as connection, connection.cursor() as cursor:
        for name, create, values in tables_of(ROWS):
            cursor.execute(f"{create} ENGINE=InnoDB DEFAULT CHARSET utf8mb4")
            for row in values:
                cursor.execute(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * len(row))})", row)
    return MySQLConfig(
        host=database.host,
        port=database.port,
        user=database.user,
        password=database.password,
        db=database.db,
        deadline_seconds=20,
        read_seconds=5,
    )


@contextmanager
def between_tables(monkeypatch: pytest.MonkeyPatch, act: Callable[[str], None]) -> Iterator[None]:
    """Call `act` with each table's name right before it is read, inside the load's transaction."""
    read = module._Load._read

    def reading(load: module._Load, spec: Any) -> Any:
        act(spec.name)
        return read(load, spec)

    with monkeypatch.context() as patch:
        patch.setattr(module._Load, "_read", reading)
        yield


def tunnel_config(sshd: Sshd, config: MySQLConfig) -> TunnelConfig:
    """A tunnel to the database of a configuration."""
    return TunnelConfig(
        name="mysql",
        ssh_host=sshd.host,
        ssh_port=sshd.port,
        ssh_user=sshd.user,
        key_path=sshd.key_path,
        known_hosts=sshd.known_hosts,
        remote_host=config.host,
        remote_port=config.port,
    )


@contextmanager
def tunnelled(
    sshd: Sshd, config: MySQLConfig, *, probe: Probe | None = None, probe_seconds: float = 5.0, **change: Any
) -> Iterator[Tunnel]:
    """A started tunnel to the database of a configuration."""
    tunnel = Tunnel(replace(tunnel_config(sshd, config), **change), probe, probe_seconds).start()
    yield tunnel
    tunnel.close()


def staging_on(database: Database) -> dict[str, str]:
    """The settings of a staging service that reads this database, directly."""
    return {
        "ENVIRONMENT": "staging",
        "MYSQL_HOST": database.host,
        "MYSQL_PORT": str(database.port),
        "MYSQL_USER": database.user,
        "MYSQL_PASSWORD": database.password,
        "MYSQL_DB": database.db,
    }
