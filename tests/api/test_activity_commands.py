"""`talentfeed flush` and `talentfeed dead-letters`, with and without a running service; when no room is left."""

import json
import re
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tests.api.conftest import MakeServer
from tests.api.server import PATIENCE, command
from tests.tracking.worlds import event
from tracking.dead_letters import DeadLetter, DeadLetters


def stored(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "activity.sqlite")) as file:
        return int(file.execute("SELECT count(*) FROM activity_log").fetchone()[0])


def test_flush_works_beside_a_running_service_and_is_idle_afterwards(make_server: MakeServer) -> None:
    running = make_server(FLUSH_COUNT="1000").start()
    running.wait_until()
    events = [{"event_type": "like", "user_id": user, "video_id": 5} for user in range(1, 31)]
    assert running.http.post("/v1/events", json={"events": events}).json()["accepted"] == 30
    words = {name: running.environment[name] for name in ("DATA_DIR", "LOG_DIR", "CREDENTIALS_DIR")}
    first = command("flush", "--json", **words)
    assert (first.returncode, json.loads(first.stdout)) == (
        0,
        {"ok": True, "written": 30, "refused": 0, "left": 0, "problems": []},
    )
    assert stored(running.data_dir) == 30
    assert command("flush", **words).stdout == "0 records written, 0 refused, 0 left\n"


def test_dead_letters_are_listed_retried_and_dropped(tmp_path: Path) -> None:
    words = {"DATA_DIR": str(tmp_path), "LOG_DIR": str(tmp_path / "logs")}
    good, bad = event(1), replace(event(2), session_id="x" * 65)
    letters = [DeadLetter("activity", e.event_id, "too long", e.to_json().decode()) for e in (good, bad)]
    DeadLetters(tmp_path / "dead_letters.jsonl").add(letters)
    listed = command("dead-letters", "list", "--json", **words)
    assert [entry["reason"] for entry in json.loads(listed.stdout)] == ["too long"] * 2
    assert letters[0].name in command("dead-letters", "list", **words).stdout
    retried = command("dead-letters", "retry", "--json", **words)
    assert retried.returncode == 1
    answer = json.loads(retried.stdout)
    assert (answer["stored"], list(answer["refused"])) == (1, [letters[1].name])
    assert stored(tmp_path) == 1
    refused = command("dead-letters", "drop", letters[1].name, **words)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert command("dead-letters", "retry", "abc", **words).stderr == "talentfeed: there is no dead letter abc\n"
    assert command("dead-letters", "drop", letters[1].name, "--yes", **words).stdout == "1 dropped\n"
    assert command("dead-letters", "list", **words).stdout == "0 dead letters\n"


def test_what_stops_a_flush_is_told_and_ends_it_with_code_1(tmp_path: Path) -> None:
    words = {"DATA_DIR": str(tmp_path), "LOG_DIR": str(tmp_path / "logs"), "ENVIRONMENT": "staging",
             "MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": "1", "MYSQL_USER": "u", "MYSQL_DB": "d",
             "REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"}  # fmt: skip
    stopped = command("flush", "--json", **words)
    assert stopped.returncode == 1
    assert "redis" in json.loads(stopped.stdout)["problems"][0]


def test_with_no_room_left_events_get_503_until_a_flush_and_feeds_go_on(make_server: MakeServer) -> None:
    running = make_server(SPOOL_BYTES="20000", FLUSH_COUNT="100000").start()
    running.wait_until()
    body = {"events": [{"event_type": "like", "user_id": user, "video_id": 5} for user in range(1, 41)]}
    answers = [running.http.post("/v1/events", json=body) for _ in range(10)]
    assert [answer.status_code for answer in answers[:2]] == [202, 202]
    refused = answers[-1]
    assert (refused.status_code, refused.json()["code"]) == (503, "buffer_full")
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) > 0
    assert running.feed(user_id=1)["degraded"] == ["activity_buffer"]
    words = {name: running.environment[name] for name in ("DATA_DIR", "LOG_DIR", "CREDENTIALS_DIR")}
    assert command("flush", **words).returncode == 0
    accepted = sum(answer.status_code == 202 for answer in answers)
    assert stored(running.data_dir) == 40 * accepted
    limit = time.monotonic() + PATIENCE
    while running.http.post("/v1/events", json=body).status_code != 202:
        assert time.monotonic() < limit
        time.sleep(0.1)


def test_a_reload_without_a_service_does_not_say_that_it_is_live(tmp_path: Path) -> None:
    words = {"DATA_DIR": str(tmp_path), "LOG_DIR": str(tmp_path / "logs")}
    for _ in range(2):
        done = command("reload", "--no-wait", **words)
        assert done.returncode == 0
        assert "goes live with the next start" in done.stdout
    assert (tmp_path / "logs" / "talent.log").read_text().count("reason=negative_views") == 1


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"talentfeed \d+\.\d+\.\d+\n", command("--version").stdout)
    assert "--version" in command("--help").stdout
