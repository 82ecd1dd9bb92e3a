"""`talentfeed doctor`: each thing that may be wrong is found and named."""

import json
from pathlib import Path

import pytest

from tests.api.server import command
from tests.support.certificates import Authority
from tests.support.loads import filled, staging_on
from tests.support.proxy import Proxy
from tests.support.servers import Database, Redis


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> dict[str, str]:
    """Staging's settings on a database with the small tables and the service's own two, without SSH and Redis."""
    filled(database)
    found = {
        **staging_on(database),
        "DATA_DIR": str(tmp_path / "var"),
        "LOG_DIR": str(tmp_path / "logs"),
        "CREDENTIALS_DIR": str(tmp_path),
    }
    assert command("db", "init", **found).returncode == 0
    return found


def findings(settings: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Level and detail of each check."""
    done = command("doctor", "--json", **settings)
    found = json.loads(done.stdout)
    assert done.returncode == (0 if found["ok"] else 1)
    return {one["check"]: (one["level"], one["detail"]) for one in found["findings"]}


def limited(database: Database, *grants: str) -> dict[str, str]:
    """A user with these rights alone."""
    user = database.db
    database.run(f"CREATE USER '{user}'@'%' IDENTIFIED BY 'limited-pass'")
    for grant in grants:
        right, table = grant.split(" ON ")
        database.run(f"GRANT {right} ON `{database.db}`.{table} TO '{user}'@'%'")
    return {"MYSQL_USER": user, "MYSQL_PASSWORD": "limited-pass"}


TABLES = ("users", "videos", "interactions", "connections", "flows")
READ = tuple(f"SELECT ON {table}" for table in TABLES)
WRITE = tuple(f"SELECT, INSERT, UPDATE ON {table}" for table in ("activity_log", "feed_log"))


def test_isolation_and_clock_are_looked_at_and_too_many_rights_are_a_warning(settings: dict[str, str]) -> None:
    found = findings(settings)
    assert found["isolation"][0] == "ok"
    assert "REPEATABLE-READ" in found["isolation"][1]
    assert found["clock"][0] == "ok"
    assert found["grants"][0] == "warn"


def test_the_documented_rights_are_enough(settings: dict[str, str], database: Database) -> None:
    found = findings({**settings, **limited(database, *READ, *WRITE)})
    assert found["grants"][0] == "ok", found["grants"]
    assert {name for name, (level, _) in found.items() if level == "fail"} == set()


def test_a_missing_right_is_named_with_its_table(settings: dict[str, str], database: Database) -> None:
    user = limited(database, *READ[1:], *WRITE[1:], "SELECT, INSERT ON activity_log")
    level, detail = findings({**settings, **user})["grants"]
    assert level == "fail"
    assert "SELECT on users" in detail
    assert "UPDATE on activity_log" in detail
    assert "INSERT on activity_log" not in detail
    assert "feed_log" not in detail


def test_a_table_without_versions_of_its_rows_is_a_warning(settings: dict[str, str], database: Database) -> None:
    database.run("ALTER TABLE flows ENGINE=Aria")
    level, detail = findings(settings)["isolation"]
    assert (level, "flows (Aria)" in detail) == ("warn", True)


def test_looking_changes_nothing(settings: dict[str, str], database: Database) -> None:
    before = [database.run(f"CHECKSUM TABLE {table}") for table in (*TABLES, "activity_log", "feed_log")]
    findings(settings)
    assert [database.run(f"CHECKSUM TABLE {table}") for table in (*TABLES, "activity_log", "feed_log")] == before


def test_a_redis_that_may_lose_events_is_a_warning_that_names_both_reasons(settings: dict[str, str]) -> None:
    with Redis(appendonly="no", maxmemory_policy="allkeys-lru") as server:
        level, detail = findings({**settings, "REDIS_HOST": server.host, "REDIS_PORT": str(server.port)})["Redis"]
    assert level == "warn"
    assert "appendonly" in detail
    assert "allkeys-lru" in detail


def test_a_redis_that_no_worker_would_reach_in_time_is_a_warning(settings: dict[str, str], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with (
        Redis(appendonly="yes", certificate=authority.certificate("localhost")) as server,
        Proxy(server.host, server.port) as proxy,
    ):
        settings |= {"REDIS_HOST": "localhost", "REDIS_SCHEME": "tls", "REDIS_CA_PATH": str(authority.path)}
        settings |= {"REDIS_PORT": str(proxy.port), "REDIS_TIMEOUT_SECONDS": "2"}
        assert findings(settings)["Redis"][0] == "ok"
        proxy.delay = 0.5
        level, detail = findings(settings)["Redis"]
    assert level == "warn"
    assert "REDIS_TIMEOUT_SECONDS is 2 and a first answer takes" in detail


def test_secrets_that_others_may_read_are_a_warning_with_the_remedy(settings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("")
    (tmp_path / ".env").chmod(0o644)
    level, detail = findings(settings)["file modes"]
    assert (level, "chmod 600" in detail) == ("warn", True)
