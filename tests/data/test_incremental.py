"""A reload that reads only new rows gives what a whole one gives, whatever happened to the tables in between."""

import logging
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.checks import clean
from data.snapshot import SnapshotStore
from data.sources.kept import KeptRows
from data.sources.mysql import MySQLSource
from data.sources.mysql_connection import MySQLConfig
from data.tables import Tables
from tests.data.test_folding import assert_same
from tests.support.loads import filled
from tests.support.servers import Database

MOMENT = datetime.now(UTC) + timedelta(days=1)
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


def reload(config: MySQLConfig, kept: KeptRows) -> Tables:
    """What a reload does: load, clean, keep. The clean tables, as of a moment that all loads here share."""
    tables = clean(replace(MySQLSource(config, kept=kept).load(), as_of=MOMENT))
    kept.keep(tables)
    return tables


def whole(config: MySQLConfig, folder: Path) -> Tables:
    """A reload that keeps nothing from before, in the same order of rows."""
    return reload(config, KeptRows(folder / "fresh", "checked"))


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
    "a video that is gone": ("DELETE FROM videos WHERE id = 3", "503 rows kept, 0 rows read"),
    "a video that was missing": (
        "INSERT INTO videos (id, user_id, video) SELECT MAX(video_id), 1, 'https://v/1' FROM interactions",
        "503 rows kept, 0 rows read",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_second_reload_equals_a_whole_one(
    config: MySQLConfig,
    database: Database,
    kept: KeptRows,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: str,
) -> None:
    sql, logged = CHANGES[change]
    reload(config, kept)
    database.run(sql or "SELECT 1")
    with caplog.at_level(logging.INFO):
        again = reload(config, kept)
    assert f"table interactions: {logged}" in caplog.text
    expected = whole(config, tmp_path)
    assert again.watermark == expected.watermark
    assert_same(again, expected)


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
def test_any_writes_between_many_reloads_give_what_whole_ones_give(
    config: MySQLConfig, database: Database, kept: KeptRows, tmp_path: Path, seed: int
) -> None:
    writes, draw = statements(seed), random.Random(seed)
    for step in range(6):
        database.run(";".join(next(writes) for _ in range(draw.randrange(20))) or "SELECT 1")
        assert_same(reload(config, kept), whole(config, tmp_path / str(step)))


def test_only_new_rows_are_sent(config: MySQLConfig, database: Database, kept: KeptRows) -> None:
    assert reload(config, kept).watermark["interactions_last"] == 503
    sent = [sent_bytes(database)]
    for _ in range(2):
        reload(config, kept)
        sent.append(sent_bytes(database))
    assert sent[2] - sent[1] < sent[0]


def sent_bytes(database: Database) -> int:
    """What the server has sent since it started."""
    return int(str(database.run("SHOW GLOBAL STATUS LIKE 'Bytes_sent'")[0][1]))


def test_what_is_kept_is_written_anew_only_when_many_rows_are_new(
    config: MySQLConfig, database: Database, kept: KeptRows, tmp_path: Path
) -> None:
    def last_key_kept(rows: int) -> int:
        database.run(f"{INSERT} {', '.join(['(1, 2, NULL, NULL, NULL)'] * rows)}")
        reload(config, kept)
        details = SnapshotStore(tmp_path / "kept").current_details()
        return int(details["marks"]["interactions"]["last"])

    assert [last_key_kept(rows) for rows in (1, 5, 5, 5)] == [504, 504, 504, 519]


def test_a_clock_that_went_back_has_all_rows_read(
    config: MySQLConfig, kept: KeptRows, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables = reload(config, KeptRows(tmp_path / "first", "checked"))
    later = {name: replace(grown, as_of=MOMENT) for name, grown in tables.growth.items()}
    kept.keep(replace(tables, growth=later))
    with caplog.at_level(logging.INFO):
        assert_same(reload(config, kept), tables)
    assert "table interactions: 0 rows kept, 503 rows read" in caplog.text


def test_trusted_rows_are_only_counted(config: MySQLConfig, database: Database, tmp_path: Path) -> None:
    kept = KeptRows(tmp_path / "kept", "trusted")
    first = reload(config, kept)
    database.run("UPDATE interactions SET rating = 1")
    assert_same(reload(config, kept), first)
    database.run("DELETE FROM interactions WHERE `key` = 5")
    assert (reload(config, kept).interactions["rating"].dropna() == 1).all()


def test_damaged_kept_rows_are_not_used(config: MySQLConfig, kept: KeptRows, tmp_path: Path) -> None:
    reload(config, kept)
    [file] = (tmp_path / "kept").glob("*/interactions.folded.user_id.npy")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert_same(reload(config, KeptRows(tmp_path / "kept", "checked")), whole(config, tmp_path))


def test_a_disk_that_takes_no_kept_rows_does_not_fail_the_reload(config: MySQLConfig, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("not a folder")
    assert reload(config, KeptRows(tmp_path / "kept", "checked")).growth["interactions"].fresh == 503


def test_another_database_has_rows_of_its_own(config: MySQLConfig, database: Database, kept: KeptRows) -> None:
    reload(config, kept)
    other = Database(database.host, database.port, database.user, database.password, f"{database.db}_b")
    database.run(f"CREATE DATABASE {other.db} DEFAULT CHARSET utf8mb4")
    elsewhere = filled(other)
    other.run(f"ALTER TABLE interactions {KEY}; UPDATE interactions SET rating = 2")
    assert (reload(elsewhere, kept).interactions["rating"] == 2).all()
