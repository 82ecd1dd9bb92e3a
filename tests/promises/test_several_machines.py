"""One folder, several machines: process trees with host names of their own, of which one does the work."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
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


def crash(server: Server) -> None:
    """End all processes of a machine; some see their parent's end and go by themselves."""
    assert server.process
    for pid in family(server.process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_machines_that_share_a_folder_reload_together_and_notice_each_others_end(
    machine: Callable[..., Server],
) -> None:
    working, first, second = machine(WORKING, "work"), machine(FIRST, "serve"), machine(SECOND, "serve")
    first.wait_until()
    second.wait_until()
    everyone = [FIRST, FIRST, SECOND, SECOND]
    eventually(lambda: hosts(first) == hosts(second) == everyone)
    eventually(lambda: [health(one)["work"].get("host") for one in (first, second)] == [WORKING, WORKING])
    shown = command("status", **{name: first.environment[name] for name in ("DATA_DIR", "LOG_DIR", "CREDENTIALS_DIR")})
    assert [shown.stdout.count(f"on {name}") for name in (FIRST, SECOND, WORKING)] == [3, 3, 1]

    state = first.reload()
    assert sorted(worker["host"] for worker in state["workers"]) == everyone
    assert {worker["snapshot_id"] for worker in state["workers"]} == {state["snapshot_id"]}
    assert second.feed(user_id=1)["snapshot_id"] == state["snapshot_id"]

    crash(second)
    eventually(lambda: hosts(first) == [FIRST, FIRST])
    assert first.reload()["live"]

    crash(working)
    eventually(lambda: "no work process runs" in health(first)["problems"])
    assert len(first.feed(user_id=1)["items"]) == 24
    machine("another.example", "work")
    eventually(lambda: health(first)["work"].get("host") == "another.example")
    assert first.reload()["live"]


def test_each_machine_tells_its_own_requests_and_the_work_of_all(machine: Callable[..., Server]) -> None:
    machine(WORKING, "work")
    first = machine(FIRST, "serve")
    first.wait_until()
    for user in range(3):
        first.feed(user_id=user)
    second = machine(SECOND, "serve")
    second.wait_until()
    second.feed(user_id=1)
    eventually(lambda: requests(first) == 3)
    eventually(lambda: requests(second) == 1)
    assert first.reload()["live"]
    for one in (first, second):
        eventually(lambda one=one: 'talentfeed_builds_total{outcome="published"} 1.0' in one.http.get("/metrics").text)
    assert json.loads(second.http.get("/health").content)["work"]["host"] == WORKING


def requests(server: Server) -> int:
    """Answered feeds that /metrics tells."""
    lines = server.http.get("/metrics").text.splitlines()
    found = [line for line in lines if line.startswith("talentfeed_http_requests_total") and 'route="/v1/feed"' in line]
    return sum(int(float(line.rpartition(" ")[2])) for line in found if 'status="200"' in line)
