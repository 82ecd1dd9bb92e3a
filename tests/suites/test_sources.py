"""What every source of tables must do, run on each: the same rows give the same tables."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.checks import clean
from data.sources.base import LoadError, Source
from data.sources.embedded import EmbeddedSource
from data.sources.mysql import MySQLSource
from data.sources.mysql_connection import MySQLConfig
from data.tables import TABLES, Kind, TableNames
from tests.support.servers import MariaDB

NOW = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
DAY = timedelta(days=1)
TYPES = {
    Kind.ID: "BIGINT",
    Kind.COUNT: "BIGINT",
    Kind.RATING: "TINYINT",
    Kind.TIME: "DATETIME",
    Kind.WORD: "VARCHAR(32)",
}
SKILLS = ('["Salsa", "piano "]', '"[\\"Salsa\\"]"', "Canto, Bogotá", None, "{", "")
Rows = dict[str, list[tuple[Any, ...]]]
ROWS: Rows = {
    "users": [
        (n, f" Ana {n} ", "Bogotá", None, str(NOW - n * DAY), SKILLS[n % 6], None, "Guitar", "[]", None, None, "x, y")
        for n in range(1, 12)
    ]
    + [(None, "Nobody", *[None] * 10), (2**62, "🎸 Émile", *[None] * 10)],
    "videos": [
        (
            n,
            n % 5 + 1,
            f"https://v/{n}",
            n * 10,
            SKILLS[n % 6],
            None,
            None,
            "Español",
            None,
            str(NOW - n * DAY),
            "é 🎹",
            n,
        )
        for n in range(1, 40)
    ]
    + [(50, 1, " ", 1, *[None] * 8), (51, 999, "https://v/51", None, *[None] * 8), (52, 1, "u", -1, *[None] * 8)]
    + [(53, 1, "https://v/53", 1, None, None, None, None, None, str(NOW + 9 * DAY), None, None)],
    "interactions": [
        (
            n % 11 + 1,
            n % 39 + 1,
            n % 5 + 1 if n % 3 else None,
            str(NOW - (n % 30) * DAY),
            ("like", " Share", None)[n % 3],
        )
        for n in range(500)
    ]
    + [(1, 1, 9, None, "like"), (None, 1, 5, None, None), (1, 777, 5, None, None)],
    "connections": [
        (1, 2, "accepted", None),
        (2, 1, "Accepted", str(NOW)),
        (3, 3, "accepted", None),
        (1, 4, "no", None),
    ],
    "flows": [(1, 1, "https://f/1", "Reto", "Canta", str(NOW)), (2, 999, "https://f/2", None, None, None)],
}


def tables_of(rows: Rows) -> Iterator[tuple[str, str, list[tuple[Any, ...]]]]:
    """Each table with its CREATE statement (types that both databases know) and its rows."""
    for spec in TABLES:
        columns = ", ".join(f"{column.name} {TYPES.get(column.kind, 'TEXT')} NULL" for column in spec.columns)
        yield spec.name, f"CREATE TABLE {spec.name} ({columns})", rows.get(spec.name, [])


@dataclass(frozen=True)
class Bench:
    """One implementation: fill its database with rows, change it with SQL, open a source on it."""

    name: str
    fill: Callable[[Rows], None]
    run: Callable[[str], object]
    source: Callable[[TableNames], Source]


def embedded(folder: Path) -> Bench:
    path = folder / "catalogue.sqlite"

    def run(sql: str) -> None:
        connection = sqlite3.connect(path)
        connection.executescript(sql)
        connection.close()

    def fill(rows: Rows) -> None:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE catalogue (made_at DATETIME, seed BIGINT)")
        connection.execute("INSERT INTO catalogue VALUES (?, 0)", (str(NOW),))
        for name, create, values in tables_of(rows):
            connection.execute(create)
            for row in values:
                connection.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)
        connection.commit()
        connection.close()

    return Bench("embedded", fill, run, lambda names: EmbeddedSource(path, clock=lambda: NOW, names=names))


def mysql(server: MariaDB) -> Bench:
    database = server.new_database()

    def fill(rows: Rows) -> None:
        with database.connect() as connection, connection.cursor() as cursor:
            for name, create, values in tables_of(rows):
                cursor.execute(f"{create} DEFAULT CHARSET utf8mb4")
                for row in values:
                    cursor.execute(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * len(row))})", row)

    config = MySQLConfig(
        host=database.host, port=database.port, user=database.user, password=database.password, db=database.db
    )
    return Bench("mysql", fill, database.run, lambda names: MySQLSource(config, names=names))


@pytest.fixture(params=["embedded", "mysql"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return embedded(tmp_path) if request.param == "embedded" else mysql(request.getfixturevalue("mariadb"))


def test_the_same_rows_give_the_same_tables_from_every_source(mariadb: MariaDB, tmp_path: Path) -> None:
    benches = [embedded(tmp_path), mysql(mariadb)]
    for bench in benches:
        bench.fill(ROWS)
    one, other = (bench.source(TableNames()).load() for bench in benches)
    for spec in TABLES:
        pd.testing.assert_frame_equal(getattr(one, spec.name), getattr(other, spec.name))
    one, other = clean(one), clean(other)
    assert one.quarantine == other.quarantine
    for spec in TABLES:
        pd.testing.assert_frame_equal(getattr(one, spec.name), getattr(other, spec.name))


def test_a_load_has_every_row_the_clock_and_a_watermark(bench: Bench) -> None:
    bench.fill(ROWS)
    tables = bench.source(TableNames()).load()
    assert {spec.name: len(getattr(tables, spec.name)) for spec in TABLES} == {name: len(r) for name, r in ROWS.items()}
    assert tables.as_of.tzinfo is UTC
    assert abs(tables.as_of - NOW.replace(tzinfo=UTC)) < timedelta(minutes=10)
    assert tables.watermark["interactions"] == {"rows": 503, "latest": str(NOW)}
    assert tables.source.startswith(bench.name)


def test_other_names_of_tables_and_columns_are_read(bench: Bench) -> None:
    bench.fill(ROWS)
    bench.run("ALTER TABLE users RENAME TO members; ALTER TABLE members RENAME COLUMN city TO town")
    bench.run("ALTER TABLE videos DROP COLUMN role_objectives")
    tables = bench.source(TableNames.parse("users=members, users.city=town, videos.role_objectives=")).load()
    assert tables.users["city"][0] == "Bogotá"
    assert tables.videos["role_objectives"].isna().all()


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("ALTER TABLE videos DROP COLUMN views", "table videos, column views is missing"),
        ("ALTER TABLE users RENAME COLUMN skills TO talents", "table users, column skills is missing"),
        ("DROP TABLE flows", "table flows is missing"),
        (
            "ALTER TABLE interactions RENAME TO old; CREATE TABLE interactions (user_id TEXT, video_id BIGINT, "
            "rating TINYINT, created_at DATETIME, interaction_type TEXT)",
            "table interactions, column user_id is text, but should be a whole number",
        ),
        ("DELETE FROM users", "table users is empty"),
        ("DELETE FROM videos", "table videos is empty"),
    ],
)
def test_a_table_that_cannot_be_used_fails_the_load_by_name(bench: Bench, sql: str, named: str) -> None:
    bench.fill(ROWS)
    bench.run(sql)
    with pytest.raises(LoadError, match=f"(?i){named}"):
        bench.source(TableNames()).load()


def test_empty_flows_interactions_and_connections_are_fine(bench: Bench) -> None:
    bench.fill({"users": ROWS["users"], "videos": ROWS["videos"]})
    cleaned = clean(bench.source(TableNames()).load())
    assert len(cleaned.flows) == len(cleaned.interactions) == len(cleaned.connections) == 0
    assert len(cleaned.videos) == 40
