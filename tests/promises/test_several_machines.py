"""One folder, several machines: process trees with host names of their own, of which one does the work."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.server import ROOT, Server, command
from tests.support.prebuilt import Furnish
from tests.support.processes import family
from tests.support.waiting import eventually

NAMED = """import os, socket
socket.gethostname = lambda: os.environ["MACHINE"]
"""
WORKING, FIRST, SECOND = "working.example", "first.example", "second.example"


@pytest.fixture
def machine(tmp_path: Path, furnish: Furnish) -> Iterator[Callable[..., Server]]:
    """Starts `talentfeed serve` under a host name; all share one DATA_DIR."""
    (tmp_path / "sitecustomize.py").write_text(NAMED)
    started: list[Server] = []
    furnish(tmp_path / "shared")

    def start(name: str, role: str) -> Server:
        fresh = Server(tmp_path / name, WORKERS="2", RELOAD_EVERY="0", MACHINE=name)
        fresh.data_dir = tmp_path / "shared"
        fresh.environment |= {"DATA_DIR": str(fresh.data_dir), "PYTHONPATH": f"{tmp_path}:{ROOT}"}
        started.append(fresh.start("--role", role))
        return fresh

    yield start
    for one in started:
        one.kill()


def health(server: Server) -> dict[str, Any]:
    """What a machine says of all."""
    found: dict[str, Any] = server.http.get("/health").json()
    return found


def hosts(server: Server) -> list[str]:
    """Where the workers run of which this machine knows."""
    return sorted(worker["host"] for worker in health(server)["workers"] if worker["ready"])


def test_machines_that_share_a_folder_reload_together_and_notice_each_others_end(
    machine: Callable[..., Server],
) -> None:
    working, first, second = machine(WORKING, "work"), machine(FIRST, "serve"), machine(SECOND, "serve")
    first.wait_until()
    second.wait_until()
    everyone = [FIRST, FIRST, SECOND, SECOND]
    eventually(lambda: hosts(first) == hosts(second) == everyone)
    assert health(first)["work"]["host"] == health(second)["work"]["host"] == WORKING
    shown = command("status", **{name: first.environment[name] for name in ("DATA_DIR", "LOG_DIR", "CREDENTIALS_DIR")})
    assert [shown.stdout.count(f"on {name}") for name in (FIRST, SECOND, WORKING)] == [3, 3, 1]

    frozen = next(worker for worker in health(first)["workers"] if worker["host"] == SECOND)["pid"]
    os.kill(frozen, signal.SIGSTOP)
    asked = first.http.post("/v1/admin/reload", headers=first.admin).json()["status_url"]
    try:
        eventually(lambda: first.http.get(asked, headers=first.admin).json()["state"] == "published")
        assert not first.http.get(asked, headers=first.admin).json()["live"]
    finally:
        os.kill(frozen, signal.SIGCONT)
    state = first.http.post("/v1/admin/reload?wait=true", headers=first.admin).json()
    assert sorted(worker["host"] for worker in state["workers"]) == everyone
    assert {worker["snapshot_id"] for worker in state["workers"]} == {state["snapshot_id"]}
    assert second.feed(user_id=1)["snapshot_id"] == state["snapshot_id"]

    assert second.process
    for pid in family(second.process.pid):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: hosts(first) == [FIRST, FIRST])
    assert first.http.post("/v1/admin/reload?wait=true", headers=first.admin).json()["live"]

    assert working.process
    for pid in family(working.process.pid):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: "no work process runs" in health(first)["problems"])
    assert len(first.feed(user_id=1)["items"]) == 24
    machine("another.example", "work")
    eventually(lambda: health(first)["work"].get("host") == "another.example")
    assert first.http.post("/v1/admin/reload?wait=true", headers=first.admin).json()["live"]


def test_each_machine_tells_its_own_requests_and_the_work_of_all(machine: Callable[..., Server]) -> None:
    machine(WORKING, "work")
    first = machine(FIRST, "serve")
    first.wait_until()
    for user in range(3):
        first.feed(user_id=user)
    second = machine(SECOND, "serve")
    second.wait_until()
    second.feed(user_id=1)
    assert requests(first) == 3
    assert requests(second) == 1
    assert first.http.post("/v1/admin/reload?wait=true", headers=first.admin).status_code == 200
    for one in (first, second):
        eventually(lambda one=one: 'talentfeed_builds_total{outcome="published"} 1.0' in one.http.get("/metrics").text)
    assert json.loads(second.http.get("/health").content)["work"]["host"] == WORKING


def requests(server: Server) -> int:
    """Answered feeds that /metrics tells."""
    lines = server.http.get("/metrics").text.splitlines()
    found = [line for line in lines if line.startswith("talentfeed_http_requests_total") and 'route="/v1/feed"' in line]
    return sum(int(float(line.rpartition(" ")[2])) for line in found if 'status="200"' in line)
