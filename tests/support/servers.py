"""The real servers that tests run against, and their pytest fixtures.

    with MariaDB() as server: ...      # server.host, .port, .user, .password, .connect(db), .new_database()
    with Redis(appendonly="yes", password="secret") as server: ...
    with Sshd() as server: ...         # server.user, .key_path, .known_hosts

Each has stop(), kill(), freeze(), thaw(), restart(). The fixtures below start one of each.
"""

import getpass
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncssh
import pymysql
import pytest

from tests.support.certificates import Certificate
from tests.support.processes import Server, binary

MINIMAL = (
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=16M",
    "--innodb-flush-log-at-trx-commit=2",
    "--performance-schema=OFF",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--character-set-server=utf8mb4",
    "--table-open-cache=100",
)


@dataclass(frozen=True, slots=True)
class Database:
    """How to reach one database of a MariaDB server."""

    host: str
    port: int
    user: str
    password: str
    db: str

    def connect(self, **options: Any) -> "pymysql.connections.Connection[pymysql.cursors.Cursor]":
        """A pymysql connection to it (autocommit unless said otherwise)."""
        arguments: dict[str, Any] = {"autocommit": True, "charset": "utf8mb4"} | options
        return pymysql.Connection(
            host=self.host, port=self.port, user=self.user, password=self.password, database=self.db, **arguments
        )

    def run(self, sql: str) -> tuple[tuple[object, ...], ...]:
        """Run statements separated by semicolons; the rows of the last."""
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in sql.split(";"):
                if statement.strip():
                    cursor.execute(statement)
            return tuple(cursor.fetchall())


class MariaDB(Server):
    """A MariaDB server with user `talent`, all rights, password `talent-password`. `options` are mariadbd's own."""

    name = "mariadb"
    user = "talent"
    password = "talent-password"

    def __init__(self, *options: str) -> None:
        self.options = options
        super().__init__()

    def prepare(self) -> None:
        command = [binary("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db"]
        command += [
            f"--tmpdir={self.folder}",
            "--auth-root-authentication-method=normal",
            f"--user={getpass.getuser()}",
            *MINIMAL[:2],
        ]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise RuntimeError(f"mariadb-install-db failed:\n{made.stdout[-2000:]}{made.stderr[-2000:]}")
        grant = f"CREATE USER IF NOT EXISTS '{self.user}'@'%' IDENTIFIED BY '{self.password}';\n"
        grant += f"GRANT ALL ON *.* TO '{self.user}'@'%' WITH GRANT OPTION;\n"
        (self.folder / "grant.sql").write_text(grant)

    def command(self) -> list[str]:
        places = [f"--datadir={self.folder}/data", f"--socket={self.folder}/socket", f"--tmpdir={self.folder}"]
        places += [f"--pid-file={self.folder}/pid", f"--init-file={self.folder}/grant.sql"]
        network = ["--bind-address=127.0.0.1", f"--port={self.port}", f"--user={getpass.getuser()}"]
        return [binary("mariadbd"), "--no-defaults", *places, *network, *MINIMAL, *self.options]

    def answers(self) -> bool:
        try:
            self.database("mysql").connect(connect_timeout=2).close()
        except pymysql.Error:
            return False
        return True

    def database(self, name: str) -> Database:
        """How to reach a database of this server."""
        return Database(self.host, self.port, self.user, self.password, name)

    def new_database(self) -> Database:
        """Create an empty database with a name of its own."""
        name = f"talent_{uuid4().hex[:12]}"
        self.database("mysql").run(f"CREATE DATABASE {name} DEFAULT CHARSET utf8mb4")
        return self.database(name)


class Redis(Server):
    """A Redis server. Keyword options are redis.conf's own with `_` for `-`: `Redis(appendonly="yes")`.

    With a certificate (see `certificates`) it speaks TLS alone.
    """

    name = "redis"

    def __init__(self, password: str = "", certificate: Certificate | None = None, **options: str) -> None:
        self.password, self.certificate = password, certificate
        self.options = {"save": "", "appendonly": "no"} | {key.replace("_", "-"): v for key, v in options.items()}
        super().__init__()

    def command(self) -> list[str]:
        line = [binary("redis-server"), "--bind", self.host, "--dir", str(self.folder)]
        if self.certificate is None:
            line += ["--port", str(self.port)]
        else:
            line += ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
            line += ["--tls-cert-file", str(self.certificate.path), "--tls-key-file", str(self.certificate.key_path)]
        for key, value in self.options.items():
            line += [f"--{key}", value]
        return line + (["--requirepass", self.password] if self.password else [])

    def answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((self.host, self.port)):
                return False
            try:
                if self.certificate is None:
                    return _pongs(probe)
                with self.certificate.context().wrap_socket(probe, server_hostname=self.certificate.name) as encrypted:
                    return _pongs(encrypted)
            except ssl.SSLCertVerificationError:
                return True  # of a certificate that a test made to be refused
            except OSError:
                return False


def _pongs(connection: socket.socket) -> bool:
    connection.sendall(b"PING\r\n")
    return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))


class Sshd(Server):
    """An SSH server that only forwards ports. `key_path` opens it; `known_hosts` is the file that knows its key."""

    name = "sshd"

    def prepare(self) -> None:
        self.user = getpass.getuser()
        self.key_path, self.known_hosts = self.folder / "user_key", self.folder / "known_hosts"
        user_key = asyncssh.generate_private_key("ssh-ed25519")
        user_key.write_private_key(str(self.key_path))
        user_key.write_public_key(str(self.folder / "authorized_keys"))
        self.key_path.chmod(0o600)
        self.change_host_key()
        self.known_hosts.write_text(self.host_line())
        lines = ["Protocol 2", f"ListenAddress {self.host}:{self.port}", f"HostKey {self.folder}/host_key"]
        lines += [f"PidFile {self.folder}/pid", f"AuthorizedKeysFile {self.folder}/authorized_keys", "UsePAM no"]
        lines += ["StrictModes no", "PasswordAuthentication no", "PermitRootLogin yes", "UseDNS no", "PermitTTY no"]
        lines += ["AllowTcpForwarding local", "X11Forwarding no", "MaxStartups 100", "ForceCommand /bin/false"]
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)

    def change_host_key(self) -> None:
        """Make a new host key (in force after a restart); `known_hosts` keeps the old one."""
        path = self.folder / "host_key"
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(path))
        path.chmod(0o600)

    def host_line(self) -> str:
        """The line of a known_hosts file for the present host key."""
        key = asyncssh.read_private_key(str(self.folder / "host_key")).export_public_key("openssh").decode()
        return f"[{self.host}]:{self.port} {' '.join(key.split()[:2])}\n"

    def command(self) -> list[str]:
        return [binary("sshd"), "-D", "-e", "-f", str(self.folder / "sshd_config")]


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """One MariaDB for all tests of this process: do not stop, kill or freeze it (see `own_mariadb`)."""
    with MariaDB() as server:
        yield server


@pytest.fixture
def database(mariadb: MariaDB) -> Database:
    """A fresh, empty database on the shared MariaDB."""
    return mariadb.new_database()


@pytest.fixture
def own_mariadb() -> Iterator[MariaDB]:
    """A MariaDB of the test's own, to be stopped, killed and frozen."""
    with MariaDB() as server:
        yield server


@pytest.fixture
def redis_server() -> Iterator[Redis]:
    """A Redis of the test's own, with an append-only file."""
    with Redis(appendonly="yes") as server:
        yield server


@pytest.fixture
def sshd() -> Iterator[Sshd]:
    """An SSH server of the test's own."""
    with Sshd() as server:
        yield server
