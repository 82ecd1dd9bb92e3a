"""Reload, its state, snapshots and rolling back."""

import json
from concurrent.futures import ThreadPoolExecutor

from tests.api.conftest import MakeServer
from tests.api.server import Server, command
from tests.support.waiting import eventually


def test_a_reload_that_waits_answers_when_every_worker_has_switched(make_server: MakeServer) -> None:
    running = make_server(WORKERS="2").start()
    before = running.wait_until().json()["snapshot_id"]
    state = running.reload()
    assert (state["state"], state["live"]) == ("published", True)
    assert state["snapshot_id"] != before
    assert {worker["snapshot_id"] for worker in state["workers"]} == {state["snapshot_id"]}
    assert state["counts"]["videos"] > 4000
    assert state["quarantine"]["videos"]["no_url"] >= 1
    assert running.feed(user_id=1)["snapshot_id"] == state["snapshot_id"]


def test_ten_reload_calls_at_once_make_one_build(make_server: MakeServer) -> None:
    running = make_server(WORKERS="2").start()
    running.wait_until()
    eventually(lambda: running.pids("work"))
    with ThreadPoolExecutor(10) as pool:
        calls = [pool.submit(running.http.post, "/v1/admin/reload", headers=running.admin) for _ in range(10)]
    answers = [call.result() for call in calls]
    assert {answer.status_code for answer in answers} == {202}
    (identity,) = {answer.json()["reload_id"] for answer in answers}
    assert answers[0].json()["status_url"] == f"/v1/admin/reloads/{identity}"
    state = running.reload()
    assert state["live"]
    assert len(running.http.get("/v1/admin/snapshots", headers=running.admin).json()["snapshots"]) <= 3


def test_rolling_back_serves_the_older_snapshot(make_server: MakeServer) -> None:
    running = make_server().start()
    old = running.wait_until().json()["snapshot_id"]
    new = running.reload()["snapshot_id"]
    snapshots = running.http.get("/v1/admin/snapshots", headers=running.admin).json()["snapshots"]
    assert [(s["id"], s["current"]) for s in snapshots] == [(new, True), (old, False)]
    answer = running.http.post(f"/v1/admin/snapshots/{old}/activate", headers=running.admin)
    assert answer.json() == {"snapshot_id": old}
    eventually(lambda: running.wait_until().json()["snapshot_id"] == old)


def test_unknown_reloads_and_snapshots_are_not_found(server: Server) -> None:
    for path in ("reloads/0123", "reloads/" + "0" * 32, "reloads/..%2Fwork"):
        assert server.http.get(f"/v1/admin/{path}", headers=server.admin).status_code == 404
    for name in ("x", "20200101T000000000-00000000", "..%2F..%2Fetc"):
        assert server.http.post(f"/v1/admin/snapshots/{name}/activate", headers=server.admin).status_code == 404


def test_a_bearer_token_is_taken_too(server: Server) -> None:
    bearer = {"Authorization": f"Bearer {server.admin['X-API-Key']}"}
    assert server.http.get("/v1/admin/snapshots", headers=bearer).status_code == 200


def test_the_token_that_was_made_is_readable_by_its_owner_alone_and_in_no_log(server: Server) -> None:
    path = server.data_dir / "admin-token"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().strip() not in server.log.read_text()


def test_reload_and_status_of_the_command_line(make_server: MakeServer) -> None:
    running = make_server().start()
    running.wait_until()
    eventually(lambda: running.pids("work"))
    words = {name: running.environment[name] for name in ("DATA_DIR", "LOG_DIR", "CREDENTIALS_DIR")}
    done = command("reload", **words)
    assert done.returncode == 0
    assert "is live" in done.stdout
    status = command("status", **words)
    assert status.returncode == 0
    assert str(running.pids("work")[0]) in status.stdout
    assert running.process
    (worker,) = [line for line in status.stdout.splitlines() if str(running.pids("serve")[0]) in line.split()]
    assert worker.split()[1] == "ready"
    assert f"their parent: {running.process.pid}" in status.stdout
    assert command("snapshots", "list", "--json", **words).stdout.count('"id"') == 2
    old = json.loads(command("snapshots", "list", "--json", **words).stdout)[1]["id"]
    assert command("snapshots", "activate", old, **words).returncode == 0
    eventually(lambda: running.wait_until().json()["snapshot_id"] == old)
    unknown = command("snapshots", "activate", "20200101T000000000-00000000", **words)
    assert (unknown.returncode, len(unknown.stderr.splitlines())) == (1, 1)
