"""A load that reads only new rows gives what a whole load gives, whatever happened to the tables in between."""

import logging
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from data.checks import clean
from data.sources.kept import KeptRows
from data.sources.mysql import MySQLSource
from data.sources.mysql_connection import MySQLConfig
from data.tables import TABLES, Tables
from tests.support.loads import filled
from tests.support.servers import Database

KEY = "ADD COLUMN `key` BIGINT AUTO_INCREMENT PRIMARY KEY"


@pytest.fixture
def config(database: Database) -> MySQLConfig:
    """The suite's rows; interactions and connections have a growing key."""
    config = filled(database)
    database.run(f"ALTER TABLE interactions {KEY}; ALTER TABLE connections {KEY}")
    return config


@pytest.fixture
def kept(tmp_path: Path) -> KeptRows:
    return KeptRows(tmp_path / "kept", "checked")


def same(one: Tables, other: Tables) -> None:
    for spec in TABLES:
        pd.testing.assert_frame_equal(getattr(one, spec.name), getattr(other, spec.name))
    left, right = clean(one), clean(other)
    assert left.quarantine == right.quarantine
    for spec in TABLES:
        pd.testing.assert_frame_equal(getattr(left, spec.name), getattr(right, spec.name))


def whole(config: MySQLConfig, folder: Path) -> Tables:
    """A load that keeps nothing from before, in the same order of rows."""
    return MySQLSource(config, kept=KeptRows(folder / "fresh", "checked")).load()


INSERT_WITH_KEY = "INSERT INTO interactions (`key`, user_id, video_id) VALUES "
INSERT = "INSERT INTO interactions (user_id, video_id, rating, created_at, interaction_type) VALUES "
CHANGES = {
    "nothing": ("", "503 rows kept, 0 rows read"),
    "new rows": (f"{INSERT} (1, 2, 5, NOW(), 'like'), (2, 3, NULL, NULL, 'a new word')", "503 rows kept, 2 rows read"),
    "an update": ("UPDATE interactions SET rating = 1 WHERE `key` = 7", "0 rows kept"),
    "an update to NULL": ("UPDATE interactions SET interaction_type = NULL WHERE `key` = 1", "0 rows kept"),
    "a deletion": ("DELETE FROM interactions WHERE `key` = 9", "0 rows kept"),
    "a deletion and a row in its place": (
        f"DELETE FROM interactions WHERE `key` = 9; {INSERT_WITH_KEY} (9, 1, 1)",
        "0 rows kept",
    ),
    "a row committed late": (
        f"{INSERT_WITH_KEY} (-4, 1, 1)",
        "0 rows kept",
    ),
    "another type": ("ALTER TABLE interactions MODIFY rating DOUBLE", "0 rows kept"),
    "an empty table": ("TRUNCATE interactions", "0 rows kept, 0 rows read"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_second_load_equals_a_whole_one(
    config: MySQLConfig,
    database: Database,
    kept: KeptRows,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: str,
) -> None:
    sql, logged = CHANGES[change]
    MySQLSource(config, kept=kept).load()
    database.run(sql or "SELECT 1")
    with caplog.at_level(logging.INFO):
        again = MySQLSource(config, kept=kept).load()
    assert f"table interactions: {logged}" in caplog.text
    same(again, whole(config, tmp_path))


def statements(seed: int) -> Iterator[str]:
    """Writes of all kinds, more of them new rows."""
    draw = random.Random(seed)
    made = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    while True:
        user, video, key = draw.randrange(12), draw.randrange(40), draw.randrange(1, 600)
        when = made - timedelta(days=draw.randrange(40))
        yield draw.choice(
            [f"{INSERT} ({user}, {video}, {draw.randrange(1, 6)}, '{when}', 'like')"] * 4
            + [f"INSERT INTO connections (user_id, connected_user_id, status) VALUES ({user}, {video}, 'accepted')"] * 3
            + [f"UPDATE interactions SET created_at = '{when}' WHERE `key` = {key}"]
            + [f"DELETE FROM interactions WHERE `key` = {key}", f"UPDATE videos SET views = {key} WHERE id = {video}"]
            + [f"UPDATE connections SET status = 'no' WHERE `key` = {draw.randrange(5)}"]
        )


@pytest.mark.parametrize("seed", range(3))
def test_any_writes_between_many_loads_give_what_whole_loads_give(
    config: MySQLConfig, database: Database, kept: KeptRows, tmp_path: Path, seed: int
) -> None:
    writes, draw = statements(seed), random.Random(seed)
    for step in range(6):
        database.run(";".join(next(writes) for _ in range(draw.randrange(4))) or "SELECT 1")
        same(MySQLSource(config, kept=kept).load(), whole(config, tmp_path / str(step)))


def test_only_new_rows_are_sent(config: MySQLConfig, database: Database, kept: KeptRows) -> None:
    tables = MySQLSource(config, kept=kept).load()
    assert tables.watermark["interactions_last"] == 503
    sent = [sent_bytes(database)]
    for _ in range(2):
        MySQLSource(config, kept=kept).load()
        sent.append(sent_bytes(database))
    assert sent[2] - sent[1] < sent[0]


def sent_bytes(database: Database) -> int:
    """What the server has sent since it started."""
    return int(str(database.run("SHOW GLOBAL STATUS LIKE 'Bytes_sent'")[0][1]))


def test_trusted_rows_are_only_counted(config: MySQLConfig, database: Database, tmp_path: Path) -> None:
    kept = KeptRows(tmp_path / "kept", "trusted")
    first = MySQLSource(config, kept=kept).load()
    database.run("UPDATE interactions SET rating = 1")
    pd.testing.assert_frame_equal(MySQLSource(config, kept=kept).load().interactions, first.interactions)
    database.run("DELETE FROM interactions WHERE `key` = 5")
    assert (MySQLSource(config, kept=kept).load().interactions["rating"].dropna() == 1).all()


def test_damaged_kept_rows_are_not_used(config: MySQLConfig, kept: KeptRows, tmp_path: Path) -> None:
    MySQLSource(config, kept=kept).load()
    for file in (tmp_path / "kept").glob("*/interactions.user_id.npy"):
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    same(MySQLSource(config, kept=kept).load(), whole(config, tmp_path))


def test_a_disk_that_takes_no_kept_rows_does_not_fail_the_load(config: MySQLConfig, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("not a folder")
    kept = KeptRows(tmp_path / "kept", "checked")
    assert len(MySQLSource(config, kept=kept).load().interactions) == 503


def test_another_database_has_rows_of_its_own(config: MySQLConfig, database: Database, kept: KeptRows) -> None:
    MySQLSource(config, kept=kept).load()
    other = Database(database.host, database.port, database.user, database.password, f"{database.db}_b")
    database.run(f"CREATE DATABASE {other.db} DEFAULT CHARSET utf8mb4")
    elsewhere = filled(other)
    other.run(f"ALTER TABLE interactions {KEY}; UPDATE interactions SET rating = 2")
    assert (MySQLSource(elsewhere, kept=kept).load().interactions["rating"] == 2).all()
