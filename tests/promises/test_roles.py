"""Roles under load: what is replaced, killed or told to stop while requests come, and what a client sees of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.server import PATIENCE, ROOT, Server
from tests.support.load import Load
from tests.support.prebuilt import Furnish
from tests.support.waiting import eventually

GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "python:api.gunicorn_settings", "api.app:create()"]
RATE, DRAIN_SECONDS = 50.0, 2.0


@pytest.fixture
def running(tmp_path: Path, furnish: Furnish) -> Iterator[Server]:
    """A service with two workers, ready. It drains for longer than a busy machine keeps a request from being sent."""
    server = Server(tmp_path / "service", WORKERS="2", RELOAD_EVERY="0", DRAIN_SECONDS=str(DRAIN_SECONDS))
    furnish(server.data_dir)
    server.start()
    try:
        server.wait_until()
        eventually(lambda: ready(server) == 2 and len(server.pids("work")) == 1)
        yield server
    finally:
        server.kill()


def ready(server: Server) -> int:
    """How many workers have a snapshot."""
    return sum(worker["ready"] for worker in server.http.get("/health").json()["workers"])


def replaced(server: Server, before: set[int]) -> bool:
    """Two workers and a work process serve, none of them from before."""
    health = server.http.get("/health").json()
    now = {worker["pid"] for worker in health["workers"]} | {health["work"].get("pid")}
    return len(now) == 3 and not now & {*before, None}


def reload(server: Server) -> str:
    """Ask for a reload until there is a work process to do it, for it is replaced too; where its state is."""
    answers: list[httpx.Response] = []

    def taken() -> bool:
        answers.append(server.http.post("/v1/admin/reload", headers=server.admin))
        return answers[-1].status_code == 202

    eventually(taken)
    return str(answers[-1].json()["status_url"])


def test_a_rolling_restart_under_load_fails_no_request(running: Server) -> None:
    before = {*running.pids("serve"), *running.pids("work")}
    assert running.process
    with Load(running.port, RATE) as load:
        eventually(lambda: load.answers)
        running.process.send_signal(signal.SIGUSR2)
        eventually(lambda: not set(running.pids("serve")) & before)
        asked = reload(running)
        eventually(lambda: replaced(running, before))
        eventually(lambda: bool(running.http.get(asked, headers=running.admin).json()["live"]))
        eventually(lambda: len(load.answers) > RATE)
    assert load.failed() == []
    gently = "ended with 0; another one has its place"
    eventually(lambda: running.log.read_text(encoding="utf-8").count(gently) == len(before))
    assert not [pid for pid in before if Path(f"/proc/{pid}").exists()]
    assert running.stop() == 0


def test_a_rolling_restart_into_wrong_settings_leaves_the_old_workers_serving(running: Server) -> None:
    before = set(running.pids("serve"))
    (running.folder / "credentials" / ".env").write_text("FLUSH_COUNT=none\n")
    assert running.process
    running.process.send_signal(signal.SIGUSR2)
    eventually(lambda: "does not come up" in running.log.read_text())
    assert set(running.pids("serve")) == before
    assert len(running.feed(user_id=1)["items"]) == 24
    assert running.process.poll() is None


def test_requests_that_run_while_the_service_is_told_to_stop_are_answered(running: Server) -> None:
    """Nothing else takes over here, so what comes after the drain may find nobody; what came before is answered."""
    assert running.process
    with Load(running.port, RATE) as load:
        eventually(lambda: len(load.answers) > RATE)
        told = time.time()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(PATIENCE) == 0
        eventually(load.failed)
    failed = load.failed()
    assert [answer for answer in failed if answer.begun <= told or answer.ended < told + DRAIN_SECONDS - 0.5] == []
    assert {answer.error.split(":")[0] for answer in failed} <= {"ConnectionRefusedError", "ConnectionResetError"}
    over = min(answer.ended for answer in failed)
    assert [answer for answer in load.answers if answer.good and answer.begun > over] == []


def test_a_killed_worker_costs_no_more_than_the_requests_it_was_answering(running: Server) -> None:
    worker = running.pids("serve")[0]
    with Load(running.port, RATE) as load:
        eventually(lambda: len(load.answers) > RATE)
        before = time.time()
        os.kill(worker, signal.SIGKILL)
        after = time.time()
        eventually(lambda: len(running.pids("serve")) == 2 and worker not in running.pids("serve"))
        back = time.time()
        eventually(lambda: [answer for answer in load.answers if answer.good and answer.begun > back])
    assert [answer for answer in load.failed() if answer.begun > after or answer.ended < before] == []


def test_gunicorn_replaces_its_workers_under_load_without_failing_a_request(tmp_path: Path) -> None:
    serving = Server(tmp_path / "service", WORKERS="2")
    settings = {**serving.environment, "PORT": str(serving.port)}
    words = [sys.executable, "-m", "api.cli", "serve", "--role", "work"]
    with (serving.folder / "output").open("ab") as output:
        serving.process = subprocess.Popen(GUNICORN, cwd=ROOT, env=settings, stdout=output, stderr=output)
        work = subprocess.Popen(words, cwd=ROOT, env=settings, stdout=output, stderr=output)
    try:
        serving.wait_until()
        eventually(lambda: ready(serving) == 2)
        before = set(serving.pids("serve"))
        with Load(serving.port, RATE) as load:
            eventually(lambda: load.answers)
            serving.process.send_signal(signal.SIGHUP)
            eventually(lambda: len(serving.pids("serve")) == 2 and not before & set(serving.pids("serve")))
            enough = len(load.answers) + RATE
            eventually(lambda: len(load.answers) > enough)
        assert load.failed() == []
    finally:
        work.terminate()
        serving.kill()
        work.wait(PATIENCE)
