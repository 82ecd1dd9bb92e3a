"""The service on MySQL and Redis behind an SSH server: it serves, keeps activity, and says what is wrong."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import MakeServer
from tests.api.server import Server, command
from tests.support.certificates import Authority
from tests.support.loads import filled, staging_on
from tests.support.servers import Database, Redis, Sshd
from tests.support.waiting import eventually


@pytest.fixture
def sshd() -> Iterator[Sshd]:
    with Sshd() as running:
        yield running


@pytest.fixture
def settings(database: Database, redis_server: Redis, sshd: Sshd) -> dict[str, str]:
    """Staging's settings, with the small tables in the database."""
    filled(database)
    return {
        **staging_on(database),
        "REDIS_HOST": redis_server.host,
        "REDIS_PORT": str(redis_server.port),
        "SSH_HOST": sshd.host,
        "SSH_PORT": str(sshd.port),
        "SSH_USER": sshd.user,
        "SSH_KEY_PATH": str(sshd.key_path),
        "SSH_KNOWN_HOSTS": str(sshd.known_hosts),
        "FLUSH_COUNT": "1",
        "LEARN_SECONDS": "0.2",
    }


def like(running: Server) -> dict[str, object]:
    event = {"event_type": "like", "user_id": 1, "video_id": 1}
    answer: dict[str, object] = running.http.post("/v1/events", json={"events": [event]}).json()
    return answer


def test_staging_serves_its_own_tables_and_keeps_activity_in_them(
    make_server: MakeServer, settings: dict[str, str], database: Database
) -> None:
    folder = make_server(bare=True, **settings)
    words = {**settings, "DATA_DIR": str(folder.data_dir), "LOG_DIR": str(folder.log.parent)}
    assert command("db", "init", **words).returncode == 0
    running = folder.start()
    running.wait_until()
    assert running.http.get("/health").json()["snapshot"]["source"].startswith("mysql ")
    eventually(lambda: running.feed(user_id=1)["degraded"] == [])
    eventually(lambda: like(running)["durability"] == "redis")
    count = "SELECT COUNT(*) FROM activity_log WHERE event_type = 'like'"
    eventually(lambda: database.run(count)[0][0] != 0)
    eventually(lambda: all(state["up"] for state in running.http.get("/health").json()["work"]["tunnels"].values()))
    assert running.reload()["live"]
    doctor = command("doctor", **words)
    assert doctor.returncode == 0, doctor.stdout
    assert running.stop() == 0


def test_a_certificate_of_redis_is_held_against_its_name_through_the_tunnel(
    make_server: MakeServer, settings: dict[str, str], database: Database, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    with Redis(appendonly="yes", certificate=authority.certificate("localhost")) as server:
        tls = {"REDIS_SCHEME": "tls", "REDIS_PORT": str(server.port), "REDIS_CA_PATH": str(authority.path)}
        settings |= {**tls, "REDIS_HOST": "localhost"}
        folder = make_server(bare=True, **settings)
        words = {**settings, "DATA_DIR": str(folder.data_dir), "LOG_DIR": str(folder.log.parent)}
        assert command("db", "init", **words).returncode == 0
        running = folder.start()
        running.wait_until()
        eventually(lambda: like(running)["durability"] == "redis")
        count = "SELECT COUNT(*) FROM activity_log WHERE event_type = 'like'"
        eventually(lambda: database.run(count)[0][0] != 0)
        eventually(lambda: running.http.get("/health").json()["work"]["tunnels"]["redis"]["answers"])
        doctor = command("doctor", **words)
        assert doctor.returncode == 0, doctor.stdout
        doctor = command("doctor", **{**words, "REDIS_HOST": "127.0.0.1"})
        assert (doctor.returncode, "REDIS_HOST: the certificate is refused" in doctor.stdout) == (1, True)


def test_without_redis_events_are_local_and_feeds_say_so(
    make_server: MakeServer, settings: dict[str, str], redis_server: Redis
) -> None:
    running = make_server(bare=True, **settings).start()
    running.wait_until()
    eventually(lambda: running.feed(user_id=1)["degraded"] == [])
    redis_server.stop()
    assert like(running)["durability"] == "local"
    assert "session_ledger" in running.feed(user_id=1)["degraded"]


def test_with_everything_away_a_start_serves_the_last_good_snapshot(
    make_server: MakeServer, settings: dict[str, str], sshd: Sshd, redis_server: Redis
) -> None:
    sshd.stop()
    redis_server.stop()
    running = make_server(**settings, RELOAD_EVERY="1s").start()
    running.wait_until()
    assert running.feed(user_id=1)["items"]
    eventually(lambda: "SSH_HOST" in " ".join(running.http.get("/health").json()["problems"]))
    answer = running.http.post("/v1/admin/reload?wait=true", headers=running.admin)
    assert (answer.status_code, answer.json()["code"]) == (503, "reload_failed")
    assert "SSH_HOST" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"MYSQL_PASSWORD": "wrong"}, "MYSQL_PASSWORD"),
        ({"MYSQL_PORT": "1"}, "MYSQL_PORT"),
        ({"SSH_USER": "nobody-here"}, "SSH_USER"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(
    make_server: MakeServer, settings: dict[str, str], change: dict[str, str], named: str
) -> None:
    folder = make_server(bare=True)
    words = {**settings, **change, "DATA_DIR": str(folder.data_dir), "LOG_DIR": str(folder.log.parent)}
    refused = command("reload", **words)
    assert refused.returncode == 1
    assert named in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    doctor = command("doctor", **words)
    assert doctor.returncode == 1
    assert named in doctor.stdout
    assert "wrong" not in folder.log.read_text().replace(named, "")


def test_a_changed_host_key_and_an_unknown_one_are_refused(
    make_server: MakeServer, settings: dict[str, str], sshd: Sshd
) -> None:
    folder = make_server(bare=True)
    words = {**settings, "DATA_DIR": str(folder.data_dir), "LOG_DIR": str(folder.log.parent)}
    sshd.change_host_key()
    sshd.restart()
    refused = command("reload", **words)
    assert refused.returncode == 1
    assert "SSH_KNOWN_HOSTS" in refused.stderr
    sshd.known_hosts.write_text("")
    refused = command("serve", **words)
    assert refused.returncode == 2
    assert "SSH_KNOWN_HOSTS" in refused.stderr


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"MYSQL_PASSWORD": "wrong"}, "MYSQL_USER, MYSQL_PASSWORD: "),
        ({"MYSQL_PORT": "1"}, "MYSQL_HOST:MYSQL_PORT: "),
        ({"MYSQL_DB": "nowhere"}, "MYSQL_DB: "),
        ({}, "run `talentfeed db init`"),
    ],
)
def test_the_logs_database_is_named_as_the_tables_one_is(
    make_server: MakeServer, settings: dict[str, str], change: dict[str, str], named: str
) -> None:
    folder = make_server(bare=True)
    words = {**settings, "SSH_HOST": "", "REDIS_HOST": "", **change}
    words |= {"DATA_DIR": str(folder.data_dir), "LOG_DIR": str(folder.log.parent)}
    doctor = {f["check"]: f["detail"] for f in json.loads(command("doctor", "--json", **words).stdout)["findings"]}
    assert named in doctor["log tables"]
    if change:
        assert command("db", "init", **words).stderr.startswith(f"talentfeed: {named}")
