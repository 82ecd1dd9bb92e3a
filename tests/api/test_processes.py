"""Processes: what dies comes back, what is told to stop drains, what cannot start says why in one line."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np

from data.snapshot import SnapshotStore
from tests.api.conftest import MakeServer
from tests.api.server import PATIENCE, ROOT, Server, command
from tests.support.waiting import eventually

HEAVY = ("pandas", "scipy", "asyncssh", "pymysql", "networkx")


def test_a_serving_worker_imports_no_heavy_library(server: Server) -> None:
    maps = Path(f"/proc/{server.pids('serve')[0]}/maps").read_text()
    assert "numpy" in maps
    assert not [name for name in HEAVY if f"/site-packages/{name}/" in maps]
    script = (
        "import sys, api.worker, api.runtime, api.feeds, api.intake, api.operations, tracking.redis_buffer,"
        " tracking.redis_ledger, tracking.local_ledger; print([name for name in sys.argv[1:] if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script, *HEAVY], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_first_start_is_alive_at_once_and_ready_after_its_first_build(make_server: MakeServer) -> None:
    bare = make_server(bare=True).start()
    bare.wait_until("/livez")
    early = bare.http.post("/v1/feed", json={"user_id": 1})
    if early.status_code != 200:
        assert early.status_code == 503
        assert early.json()["code"] == "no_snapshot"
        assert int(early.headers["retry-after"]) >= 1
        assert bare.http.get("/readyz").status_code in (200, 503)
    bare.wait_until("/readyz")
    assert len(bare.feed(user_id=1)["items"]) == 24


def test_a_killed_worker_and_a_killed_work_process_come_back(make_server: MakeServer) -> None:
    running = make_server(WORKERS="2").start()
    running.wait_until()
    eventually(lambda: len(running.pids("serve")) == 2 and running.pids("work"))
    worker, work = running.pids("serve")[0], running.pids("work")[0]
    os.kill(worker, signal.SIGKILL)
    os.kill(work, signal.SIGKILL)

    def back() -> bool:
        try:
            health = running.http.get("/health").json()
        except httpx.TransportError:  # the connection was the killed worker's
            return False
        pids = [entry["pid"] for entry in health["workers"]]
        return len(pids) == 2 and worker not in pids and health["work"].get("pid") not in (None, work)

    eventually(back)
    assert len(running.feed(user_id=1)["items"]) == 24
    assert running.reload()["live"]


def test_sigterm_drains_readyz_first_then_ends_with_code_0(make_server: MakeServer) -> None:
    """The one that is looked at drains for longer than the test waits; another one gets to the end."""
    looked_at, running = make_server(DRAIN_SECONDS="600").start(), make_server().start()
    looked_at.wait_until()
    assert looked_at.process
    looked_at.process.send_signal(signal.SIGTERM)
    assert looked_at.wait_until("/readyz", 503).json()["code"] == "draining"
    assert looked_at.http.post("/v1/feed", json={"user_id": 1}).status_code == 200
    looked_at.process.kill()
    looked_at.process.wait(PATIENCE)
    running.wait_until()
    assert running.stop() == 0
    assert list((running.data_dir / "workers").glob("*.json")) == []


def test_what_was_accepted_before_sigterm_is_in_the_log_table_afterwards(make_server: MakeServer) -> None:
    running = make_server().start()
    running.wait_until()
    events = [{"event_type": "like", "user_id": user, "video_id": 5} for user in range(1, 8)]
    assert running.http.post("/v1/events", json={"events": events}).json()["accepted"] == 7
    assert running.stop() == 0
    with closing(sqlite3.connect(running.data_dir / "activity.sqlite")) as file:
        assert file.execute("SELECT count(*) FROM activity_log").fetchone() == (7,)


def test_no_process_outlives_a_killed_supervisor(make_server: MakeServer) -> None:
    running = make_server().start()
    running.wait_until()
    eventually(lambda: running.pids("work"))
    pids = [*running.pids("serve"), *running.pids("work")]
    assert running.process
    running.process.kill()
    eventually(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids))


def test_sighup_reloads(make_server: MakeServer) -> None:
    running = make_server().start()
    before = running.wait_until().json()["snapshot_id"]
    assert running.process
    running.process.send_signal(signal.SIGHUP)
    eventually(lambda: bool(running.http.get("/readyz").json()["snapshot_id"] != before))


def test_reload_every_reloads_without_being_asked_and_old_snapshots_go(make_server: MakeServer) -> None:
    running = make_server(RELOAD_EVERY="1s", KEEP_SNAPSHOTS="2").start()
    served = {running.wait_until().json()["snapshot_id"]}

    def another() -> bool:
        served.add(running.http.get("/readyz").json()["snapshot_id"])
        return len(served) > 3

    eventually(another)
    eventually(lambda: len(list((running.data_dir / "snapshots").glob("2*"))) <= 3)  # one may be under construction


def test_the_roles_can_be_started_one_by_one(make_server: MakeServer) -> None:
    serving = make_server(bare=True).start("--role", "serve")
    serving.wait_until("/readyz", 503)
    words = [sys.executable, "-m", "api.cli", "serve", "--role", "work"]
    work = subprocess.Popen(words, cwd=ROOT, env=serving.environment, stdout=subprocess.DEVNULL)
    try:
        serving.wait_until("/readyz", 200)
    finally:
        work.terminate()
    assert work.wait(PATIENCE) == 0


def test_a_port_in_use_is_one_line_that_names_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = command("serve", "--port", port, DATA_DIR=str(tmp_path / "var"), LOG_DIR=str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"talentfeed: PORT: cannot listen on 127.0.0.1:{port} (Address already in use)"
    ]


def test_a_wrong_database_is_one_clear_line_in_the_command_the_log_and_health(make_server: MakeServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = str(unused.getsockname()[1])
    settings = {"ENVIRONMENT": "staging", "MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": port, "MYSQL_USER": "feed",
                "MYSQL_DB": "talent"}  # fmt: skip
    running = make_server(bare=True, **settings).start()
    running.wait_until("/readyz", 503)
    eventually(lambda: any("MYSQL_PORT" in line for line in running.http.get("/health").json()["problems"]))
    eventually(lambda: "MYSQL_PORT" in running.log.read_text())
    words = {**settings, "DATA_DIR": str(running.folder / "other"), "LOG_DIR": str(running.folder)}
    for command_words in (["reload"], ["doctor"], ["db", "check"]):
        refused = command(*command_words, **words)
        assert refused.returncode == 1
        assert "MYSQL_PORT" in refused.stdout + refused.stderr
        assert "Traceback" not in refused.stdout + refused.stderr
    assert len(command("reload", **words).stderr.splitlines()) == 1


def test_doctor_and_quality_and_db_check_like_the_embedded_service(server: Server) -> None:
    words = {name: server.environment[name] for name in ("DATA_DIR", "LOG_DIR", "CREDENTIALS_DIR")}
    doctor = command("doctor", "--json", **words)
    assert doctor.returncode == 0
    assert json.loads(doctor.stdout)["ok"]
    quality = command("quality", "--viewers", "200", "--json", **words)
    figures = {figure["name"]: figure for figure in json.loads(quality.stdout)["figures"]}
    assert set(figures) == {"creator_diversity", "skill_diversity", "catalogue_coverage", "new_content"}
    assert "videos: 5003 rows" in command("db", "check", **words).stdout
    assert command("db", "init", **words).returncode == 0
    assert "CREATE TABLE" in command("db", "init", "--dry-run", **words).stdout
    assert command("nonsense").returncode == 2


def test_a_snapshot_of_another_version_is_replaced_by_a_new_build(make_server: MakeServer) -> None:
    running = make_server()
    store = SnapshotStore(running.data_dir / "snapshots")
    old = store.publish({"other": np.zeros(3)}, {"as_of": "2026-01-01T00:00:00+00:00"})
    running.start()
    assert running.wait_until().json()["snapshot_id"] != old
    assert f"{old} was made by another version" in running.log.read_text()
