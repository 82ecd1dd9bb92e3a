"""Learning in the running service: live in every worker, and killed at any moment without a trace.

How soon it is live depends on the machine; what the design waits for is held by `tests/api/test_runtime.py`.
"""

import os
import random
import secrets
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from api.heartbeats import Heartbeats
from tests.api.server import Server, command
from tests.support.prebuilt import Furnish
from tests.support.waiting import eventually
from tests.tracking.logs import difference, folded, state_in
from tracking.policies import PolicyStore
from tracking.sqlite_sink import SqliteSink

KILLS = 6


@pytest.fixture
def server(tmp_path: Path, furnish: Furnish) -> Iterator[Server]:
    """An embedded service with two workers that flushes at once."""
    running = Server(tmp_path / "service", WORKERS="2", RELOAD_EVERY="0", FLUSH_COUNT="1")
    furnish(running.data_dir)
    running.start()
    try:
        running.wait_until()
        eventually(lambda: len(running.pids("serve")) == 2 and len(running.pids("work")) == 1)
        yield running
    finally:
        running.kill()


def visit(server: Server, user: int, draw: random.Random) -> int:
    """A feed, and what a viewer does with some of it: how many acts."""
    page: dict[str, Any] = server.feed(user_id=user)
    about = {"user_id": user, "feed_id": page["feed_id"]}
    videos = [item["id"] for item in page["items"] if item["type"] == "video"]
    kinds = draw.choices(("video_view", "like", "share", "skip"), k=8)
    events = [{"event_type": kind, "video_id": draw.choice(videos), **about} for kind in kinds]
    assert server.http.post("/v1/events", json={"events": events}).json()["accepted"] == len(events)
    return len(events)


def flushed(server: Server) -> int:
    """How many acts are in the log table."""
    with closing(sqlite3.connect(server.data_dir / "activity.sqlite", timeout=5.0)) as file:
        return int(file.execute("SELECT count(*) FROM activity_log WHERE event_type <> 'feed_request'").fetchone()[0])


def settled(server: Server) -> bool:
    """Both workers serve the live version, which knows of all that was flushed."""
    health = server.http.get("/health").json()
    state = PolicyStore(server.data_dir / "policies").load_state()
    versions = [worker["policy_version"] for worker in health["workers"]]
    return state is not None and state.acts == flushed(server) and versions == [state.version] * 2


def test_what_was_flushed_is_live_in_both_workers(server: Server) -> None:
    draw = random.Random(1)
    acts = sum(visit(server, user, draw) for user in range(1, 4))
    eventually(lambda: flushed(server) == acts and settled(server))
    wanted = {"version": state_in(server.data_dir / "policies").version, "frozen": False, "unattributed": 0}
    eventually(lambda: server.http.get("/health").json()["work"].get("learning") == wanted)


@pytest.mark.timeout(240)
def test_killed_anywhere_while_learning_the_state_equals_a_rebuild(server: Server) -> None:
    seed = int(os.environ.get("NEMESIS_SEED") or secrets.randbelow(10**6))
    sys.stdout.write(f"NEMESIS_SEED={seed}\n")
    draw, killed, acts = random.Random(seed), set[int](), 0
    heartbeats = Heartbeats(server.data_dir / "workers")

    def alive() -> list[int]:
        """Work processes; one that was killed is still there until its parent knows."""
        return [work["pid"] for work in heartbeats.alive("work") if work["pid"] not in killed]

    while len(killed) < KILLS:
        for user in range(draw.randint(2, 6)):
            acts += visit(server, user + 1, draw)
        time.sleep(draw.uniform(0.0, 0.6))
        for pid in alive():
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        eventually(alive)
    settings = {name: server.environment[name] for name in ("DATA_DIR", "LOG_DIR", "CREDENTIALS_DIR")}
    policies, sink = server.data_dir / "policies", SqliteSink(server.data_dir / "activity.sqlite")
    eventually(lambda: state_in(policies).acts == acts)
    assert server.stop() == 0
    lived = state_in(policies)
    assert lived.updates > 50
    assert difference(lived, folded(sink)) < 1e-9
    done = command("learner", "rebuild", **settings)
    assert done.returncode == 0, done.stderr
    assert difference(state_in(policies), lived) < 1e-9
