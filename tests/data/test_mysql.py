"""The MySQL source against a real MariaDB: settings that are wrong, writers beside a load, and faults in the middle."""

import socket
import threading
from dataclasses import replace
from typing import Any

import pymysql
import pytest
from pymysql.constants import ER

from data.sources.base import LoadError
from data.sources.mysql import MySQLSource
from data.sources.mysql_connection import MySQLConfig
from data.tables import TABLES
from tests.suites.test_sources import ROWS
from tests.support.loads import between_tables, filled
from tests.support.processes import free_port
from tests.support.servers import Database, MariaDB, Redis
from tests.support.waiting import one_more


@pytest.fixture
def config(database: Database) -> MySQLConfig:
    return filled(database)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"password": "wrong"}, "MYSQL_USER, MYSQL_PASSWORD: .* refuses user talent"),
        ({"db": "nothing"}, "MYSQL_DB: .* has no database nothing"),
        ({"host": "no-such-host.invalid"}, "MYSQL_HOST:MYSQL_PORT: nothing answers at no-such-host.invalid"),
    ],
)
def test_a_wrong_setting_is_named(config: MySQLConfig, change: dict[str, Any], named: str) -> None:
    with pytest.raises(LoadError, match=named):
        MySQLSource(replace(config, **change)).load()


def test_a_port_where_nothing_listens_is_named(config: MySQLConfig) -> None:
    port = free_port()
    with pytest.raises(LoadError, match=f"MYSQL_HOST:MYSQL_PORT: nothing answers at 127.0.0.1:{port}"):
        MySQLSource(replace(config, port=port)).load()


def test_a_server_that_is_no_mysql_is_named(config: MySQLConfig, redis_server: Redis) -> None:
    with pytest.raises(LoadError, match=r"MYSQL_HOST:MYSQL_PORT: .* not as MySQL"):
        MySQLSource(replace(config, port=redis_server.port, read_seconds=1)).load()


def test_a_password_is_not_in_the_configurations_words(config: MySQLConfig) -> None:
    assert config.password not in repr(config)


def test_a_user_who_may_not_read_a_table_is_told_which(config: MySQLConfig, database: Database) -> None:
    database.run(
        f"CREATE USER IF NOT EXISTS 'half'@'%' IDENTIFIED BY 'x'; GRANT SELECT ON {database.db}.users TO 'half'@'%'"
    )
    with pytest.raises(LoadError, match="table videos is missing"):
        MySQLSource(replace(config, user="half", password="x")).load()


def test_a_load_never_changes_the_database(config: MySQLConfig, database: Database) -> None:
    names = ", ".join(spec.name for spec in TABLES)
    before = database.run(f"CHECKSUM TABLE {names}")
    MySQLSource(config).load()
    assert database.run(f"CHECKSUM TABLE {names}") == before


def test_zero_and_impossible_dates_are_no_dates(config: MySQLConfig, database: Database) -> None:
    database.run("SET sql_mode = ''; UPDATE videos SET created_at = '0000-00-00' WHERE id = 1")
    videos = MySQLSource(config).load().videos
    assert videos.loc[videos["id"] == 1, "created_at"].isna().all()


def test_a_load_is_one_point_in_time(config: MySQLConfig, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(table: str) -> None:
        database.run(
            f"INSERT INTO users (id) VALUES ({1000 + len(table)}); DELETE FROM flows; UPDATE videos SET views = 7"
        )

    with between_tables(monkeypatch, write):
        tables = MySQLSource(config).load()
    assert {spec.name: len(getattr(tables, spec.name)) for spec in TABLES} == {name: len(r) for name, r in ROWS.items()}
    assert tables.videos["views"].sum() > 7 * len(tables.videos)


def test_an_invariant_that_a_writer_keeps_holds_in_every_load(
    config: MySQLConfig, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two tables of a load the writer commits."""
    database.run("DELETE FROM videos; DELETE FROM flows; INSERT INTO videos (id, user_id, views) VALUES (1, 0, 0)")
    database.run("INSERT INTO flows (id, user_id) VALUES (1, 0)")
    stop, commits = threading.Event(), list[int]()

    def write() -> None:
        with database.connect(autocommit=False) as connection, connection.cursor() as cursor:
            number = 0
            while not stop.is_set():
                number += 1
                cursor.execute("UPDATE videos SET user_id = %s", (number,))
                cursor.execute("UPDATE flows SET user_id = %s", (number,))
                connection.commit()
                commits.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(10):
            with between_tables(monkeypatch, lambda table: one_more(commits)):
                tables = MySQLSource(config).load()
            assert tables.videos["user_id"][0] == tables.flows["user_id"][0]
    finally:
        stop.set()
        writer.join(20)


def kill(database: Database, connection: object) -> None:
    """End a connection, unless it has just ended by itself."""
    try:
        database.run(f"KILL {connection}")
    except pymysql.Error as error:
        if error.args[0] != ER.NO_SUCH_THREAD:
            raise


def test_a_truncated_table_and_a_killed_connection_only_begin_the_load_anew(
    config: MySQLConfig, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def disturb(table: str) -> None:
        seen.append(table)
        if seen.count("interactions") == 1 and table == "interactions":
            database.run("TRUNCATE flows")
        if seen.count("connections") == 2 and table == "connections":
            others = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            for (number,) in database.run(others):
                kill(database, number)

    with between_tables(monkeypatch, disturb):
        tables = MySQLSource(config).load()
    assert len(tables.flows) == 0
    assert seen.count("users") == 3


def test_a_column_dropped_in_the_middle_of_a_load_is_named(
    config: MySQLConfig, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drop(table: str) -> None:
        if table == "interactions":
            database.run("ALTER TABLE interactions DROP COLUMN IF EXISTS rating")

    with (
        between_tables(monkeypatch, drop),
        pytest.raises(LoadError, match="table interactions, column rating is missing"),
    ):
        MySQLSource(config).load()


def test_a_load_that_is_disturbed_every_time_gives_up_and_says_why(
    config: MySQLConfig, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def truncate(table: str) -> None:
        if table == "users":
            database.run("TRUNCATE flows")

    with (
        between_tables(monkeypatch, truncate),
        pytest.raises(LoadError, match="disturbed 2 times, last by: table flows"),
    ):
        MySQLSource(replace(config, attempts=2)).load()


def test_a_server_that_stalls_ends_the_load_at_its_deadline(
    own_mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(filled(own_mariadb.new_database()), deadline_seconds=2, read_seconds=30)
    expected = pytest.raises(LoadError, match="LOAD_DEADLINE_SECONDS: the load took longer than 2 s")
    with between_tables(monkeypatch, lambda table: own_mariadb.freeze() if table == "videos" else None), expected:
        MySQLSource(config).load()
    own_mariadb.thaw()


class Dripping:
    """A link that passes a limited number of bytes at full speed and then one byte at a time."""

    def __init__(self, port: int, freely: int) -> None:
        self._port, self._freely = port, freely
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
            threading.Thread(target=self._pump, args=[near, far, 1 << 30], daemon=True).start()
            threading.Thread(target=self._pump, args=[far, near, self._freely], daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, freely: int) -> None:
        slow = threading.Event()
        try:
            while data := source.recv(4096 if freely > 0 else 1):
                target.sendall(data)
                freely -= len(data)
                if freely <= 0:
                    slow.wait(0.05)
        except OSError:
            pass
        finally:
            source.close()
            target.close()

    def close(self) -> None:
        self._server.close()


def test_a_link_that_drips_ends_the_load_at_its_deadline(config: MySQLConfig) -> None:
    link = Dripping(config.port, 10_000)
    with pytest.raises(LoadError, match="LOAD_DEADLINE_SECONDS: the load took longer than 2 s"):
        MySQLSource(replace(config, port=link.port, deadline_seconds=2, read_seconds=1)).load()
    link.close()


def test_a_killed_server_is_named_and_the_next_load_works(
    own_mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = filled(own_mariadb.new_database())
    expected = pytest.raises(LoadError, match="MYSQL_HOST:MYSQL_PORT: nothing answers")
    with between_tables(monkeypatch, lambda table: own_mariadb.kill() if table == "interactions" else None), expected:
        MySQLSource(config).load()
    own_mariadb.start()
    assert len(MySQLSource(config).load().users) == len(ROWS["users"])
