"""Databases that are broken in every way: each is refused by name or survived, and the snapshot served before stays."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from data.checks import clean
from data.compare import Limits, compare
from data.snapshot import SnapshotStore
from data.sources.base import LoadError
from data.sources.kept import KeptRows
from data.sources.mysql import MySQLSource
from data.sources.mysql_connection import MySQLConfig
from data.tables import Tables
from engine.bandit.policy import Policy
from engine.build import build
from engine.config import EngineConfig
from engine.engine import Engine
from engine.feed_types import FeedRequest
from engine.world import World
from tests.api.server import command
from tests.support.loads import between_tables
from tests.support.servers import Database, MariaDB
from tests.support.waiting import one_more

SCHEMA = """
CREATE TABLE users (id BIGINT, name TEXT, city TEXT, country TEXT, created_at DATETIME, skills TEXT, languages TEXT,
  tools TEXT, knowledge TEXT, hobbies TEXT, type_talentees TEXT, opencall_objective TEXT);
CREATE TABLE videos (id BIGINT, user_id BIGINT, video TEXT, views BIGINT, video_skills TEXT, video_knowledges TEXT,
  video_tools TEXT, video_languages TEXT, role_objectives TEXT, created_at DATETIME, description MEDIUMTEXT,
  exhibited_count BIGINT);
CREATE TABLE interactions (id BIGINT AUTO_INCREMENT PRIMARY KEY, user_id BIGINT, video_id BIGINT, rating DOUBLE,
  created_at DATETIME, interaction_type VARCHAR(32));
CREATE TABLE connections (id BIGINT AUTO_INCREMENT PRIMARY KEY, user_id BIGINT, connected_user_id BIGINT,
  status VARCHAR(32), created_at DATETIME);
CREATE TABLE flows (id BIGINT, user_id BIGINT, video TEXT, name TEXT, description TEXT, created_at DATETIME)
"""
ROWS = """
INSERT INTO users (id, name, skills) SELECT seq, CONCAT('U', seq), '["Salsa", "Piano"]' FROM seq_1_to_60;
INSERT INTO videos (id, user_id, video, views, video_skills, created_at) SELECT seq, 1 + seq % 60,
  CONCAT('https://v/', seq), seq, '["Salsa"]', NOW() - INTERVAL seq % 90 DAY FROM seq_1_to_200;
INSERT INTO interactions (user_id, video_id, rating, created_at, interaction_type)
  SELECT 1 + seq % 60, 1 + seq % 200, 1 + seq % 5, NOW() - INTERVAL seq % 90 DAY, 'like' FROM seq_1_to_2000;
INSERT INTO connections (user_id, connected_user_id, status)
  SELECT 1 + seq % 60, 1 + (seq * 7 + 1) % 60, 'accepted' FROM seq_1_to_300;
INSERT INTO flows (id, user_id, video, created_at) SELECT seq, seq, CONCAT('https://f/', seq), NOW() FROM seq_1_to_30
"""


@dataclass
class Service:
    """What a reload does, in one process: load, clean, compare, build, publish."""

    database: Database
    config: MySQLConfig
    store: SnapshotStore
    kept: KeptRows

    def reload(self) -> str:
        raw = MySQLSource(self.config, kept=self.kept).load()
        return self.publish(clean(raw))

    def publish(self, tables: Tables) -> str:
        profile = compare(tables, self.store.current_details().get("profile"), Limits())
        arrays, details = build(tables, EngineConfig())
        identity = self.store.publish(arrays, {**details, "profile": profile})
        self.kept.keep(tables)
        return identity

    def feed_is_full(self) -> bool:
        world = World.of(self.store.open_current())
        engine = Engine(world, Policy.untrained((1.0,)), EngineConfig())
        feed = engine.feed(FeedRequest(user_id=7, seed=1))
        return len(feed.items) == 24 and bool(np.isfinite(feed.features).all())


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    """A database with a good snapshot of it."""
    return made(database, tmp_path)


def made(database: Database, folder: Path) -> Service:
    database.run(SCHEMA)
    database.run(ROWS)
    config = MySQLConfig(
        host=database.host,
        port=database.port,
        user=database.user,
        password=database.password,
        db=database.db,
        deadline_seconds=20,
        read_seconds=5,
    )
    service = Service(database, config, SnapshotStore(folder / "snapshots"), KeptRows(folder / "kept", "checked"))
    service.reload()
    return service


REFUSED = {
    "an empty table": ("DELETE FROM videos", "table videos is empty"),
    "an empty table that may be": (
        "TRUNCATE interactions",
        r"table interactions: 0 usable rows instead of 2,000, 100% fewer \(MAX_ROW_DROP 0\.5\)",
    ),
    "90 % fewer rows": (
        "DELETE FROM videos WHERE id > 20",
        r"table videos: 20 usable rows instead of 200, 90% fewer \(MAX_ROW_DROP 0\.5\)",
    ),
    "orphans": (
        "UPDATE interactions SET video_id = video_id + 1000",
        r"table interactions: 0 usable rows instead of 2,000.*100% of its rows cannot be used, 0% before",
    ),
    "ids that are one": ("UPDATE videos SET id = 1", "table videos: 1 usable rows instead of 200"),
    "ids that are NULL": ("UPDATE users SET id = NULL", "table users: none of its 60 rows can be used"),
    "lists that went away": (
        "UPDATE videos SET video_skills = '{broken'",
        r"table videos: column video_skills: 100% empty, 0% before \(MAX_EMPTY_RISE 0\.5\)",
    ),
    "a missing column": ("ALTER TABLE videos DROP COLUMN views", "table videos, column views is missing"),
    "a retyped column": (
        "ALTER TABLE videos MODIFY views TEXT",
        "table videos, column views is text, but should be a number",
    ),
    "a missing table": ("DROP TABLE flows", "table flows is missing"),
    "numbers of another size": (
        "UPDATE videos SET views = views * 100000",
        r"table videos: column views: mean .* before \(MAX_MEAN_CHANGE 10\)",
    ),
    "an old copy": (
        "UPDATE interactions SET created_at = created_at - INTERVAL 100 DAY",
        r"table interactions: column created_at: newest .* before \(MAX_DAYS_BACK 7\)",
    ),
}
TEN = "WHERE id <= 10"
SURVIVED: dict[str, tuple[str, set[str]]] = {
    "a number too large": (f"UPDATE interactions SET rating = 1e300 {TEN}", {"interactions unreadable_rating 10"}),
    "ratings out of range": (f"UPDATE interactions SET rating = 9 {TEN}", {"interactions rating_out_of_range 10"}),
    "duplicate ids": (
        f"UPDATE videos SET id = 1 {TEN}",
        {"videos duplicate_id 9", "interactions unknown_video 90"},
    ),
    "orphan rows": ("DELETE FROM users WHERE id > 40", set()),
    "future dates": (
        f"UPDATE videos SET created_at = '2999-01-01' {TEN}",
        {"videos future_created_at 10", "interactions unknown_video 100"},
    ),
    "zero dates": (f"SET sql_mode = ''; UPDATE videos SET created_at = '0000-00-00' {TEN}", set()),
    "garbage in lists": (f"UPDATE videos SET video_skills = '[[[', description = REPEAT('x', 200000) {TEN}", set()),
    "another engine": ("ALTER TABLE flows ENGINE=MyISAM", set()),
    "new columns": ("ALTER TABLE users ADD COLUMN secret TEXT FIRST", set()),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_database_that_cannot_be_served_is_refused_by_name(service: Service, fault: str) -> None:
    sql, words = REFUSED[fault]
    before = service.store.current_id()
    service.database.run(sql)
    with pytest.raises(LoadError, match=words):
        service.reload()
    assert service.store.current_id() == before
    assert service.feed_is_full()


@pytest.mark.parametrize("fault", SURVIVED)
def test_a_database_with_some_bad_rows_is_served_without_them(service: Service, fault: str) -> None:
    sql, left_out = SURVIVED[fault]
    before = service.store.current_id()
    service.database.run(sql)
    assert service.reload() != before
    found = service.store.current_details()["quarantine"]
    assert {f"{table} {reason} {rows}" for table in found for reason, rows in found[table].items()} == left_out
    assert service.feed_is_full()


MIDDLE = (
    "TRUNCATE connections",
    "ALTER TABLE connections ADD COLUMN more INT",
    "ALTER TABLE flows RENAME TO old; CREATE TABLE flows LIKE old",
)


@pytest.mark.parametrize("sql", MIDDLE)
def test_a_change_of_a_table_in_the_middle_of_a_load_begins_it_anew(
    service: Service, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    done: list[str] = []

    def disturb(table: str) -> None:
        if table == "interactions" and not done:
            done.append(table)
            service.database.run(sql)

    with between_tables(monkeypatch, disturb):
        tables = MySQLSource(service.config).load()
    now = {name: service.database.run(f"SELECT COUNT(*) FROM {name}")[0][0] for name in ("connections", "flows")}
    assert {"connections": len(tables.connections), "flows": len(tables.flows)} == now
    assert done


def test_a_table_dropped_in_the_middle_of_a_load_is_named(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    before = service.store.current_id()

    def drop(table: str) -> None:
        if table == "interactions":
            service.database.run("DROP TABLE IF EXISTS flows")

    with between_tables(monkeypatch, drop), pytest.raises(LoadError, match="table flows is missing"):
        service.reload()
    assert service.store.current_id() == before


@pytest.fixture
def commits(service: Service) -> Iterator[list[int]]:
    """Of someone who moves a view from one table to another, over and over: their sum stays."""
    service.database.run("UPDATE videos SET views = 1000; UPDATE flows SET user_id = 1000")
    stop, commits = threading.Event(), list[int]()

    def write() -> None:
        with service.database.connect(autocommit=False) as connection, connection.cursor() as cursor:
            number = 0
            while not stop.is_set():
                number += 1
                cursor.execute("UPDATE videos SET views = views - 1 WHERE id = %s", (1 + number % 200,))
                cursor.execute("UPDATE flows SET user_id = user_id + 1 WHERE id = %s", (1 + number % 30,))
                cursor.execute("INSERT INTO interactions (user_id, video_id) VALUES (1, 1)")
                cursor.execute("INSERT INTO connections (user_id, connected_user_id, status) VALUES (1, 2, 'accepted')")
                connection.commit()
                commits.append(number)

    thread = threading.Thread(target=write)
    thread.start()
    yield commits
    stop.set()
    thread.join(20)


def test_no_snapshot_breaks_an_invariant_that_a_writer_keeps_across_tables(
    service: Service, commits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two tables of a load the writer commits."""
    for _ in range(10):
        with between_tables(monkeypatch, lambda table: one_more(commits)):
            tables = MySQLSource(service.config, kept=service.kept).load()
        assert tables.videos["views"].sum() + tables.flows["user_id"].sum() == 200 * 1000 + 30 * 1000
        service.kept.keep(clean(tables))
        assert tables.growth["interactions"].mark.rows - 2000 == tables.growth["connections"].mark.rows - 300


def test_a_load_never_blocks_a_writer(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(table: str) -> None:
        service.database.run(
            "SET innodb_lock_wait_timeout = 1; UPDATE users SET city = 'Lima'; DELETE FROM flows WHERE id = 1"
        )

    with between_tables(monkeypatch, write):
        MySQLSource(service.config).load()


def test_a_server_that_stalls_costs_the_deadline_and_nothing_else(
    own_mariadb: MariaDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = made(own_mariadb.new_database(), tmp_path)
    before, service.config = service.store.current_id(), replace(service.config, deadline_seconds=2)
    with (
        between_tables(monkeypatch, lambda table: own_mariadb.freeze() if table == "interactions" else None),
        pytest.raises(LoadError, match="LOAD_DEADLINE_SECONDS: the load took longer than 2 s"),
    ):
        service.reload()
    assert service.store.current_id() == before
    assert service.feed_is_full()
    own_mariadb.thaw()
    service.config = replace(service.config, deadline_seconds=20)
    assert service.reload() != before


def test_the_command_names_what_was_refused_and_the_setting_that_allows_it(tmp_path: Path) -> None:
    """The embedded catalogue, through the builder's own process."""
    words = {"DATA_DIR": str(tmp_path / "var"), "LOG_DIR": str(tmp_path / "logs")}
    assert command("reload", **words).returncode == 0
    before = SnapshotStore(tmp_path / "var" / "snapshots").current_id()
    with closing(sqlite3.connect(tmp_path / "var" / "catalogue.sqlite")) as connection:
        connection.execute("DELETE FROM videos WHERE id % 10")
        connection.commit()
    refused = command("reload", **words)
    assert refused.returncode == 1
    assert "table videos: " in refused.stderr
    assert "(MAX_ROW_DROP 0.5)" in refused.stderr
    assert SnapshotStore(tmp_path / "var" / "snapshots").current_id() == before
    assert command("reload", MAX_ROW_DROP="1", MAX_QUARANTINE_RISE="1", **words).returncode == 0
