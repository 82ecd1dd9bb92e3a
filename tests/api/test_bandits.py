"""`talentfeed bandits` and `talentfeed learner`, on a DATA_DIR without a service and beside a running one."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from engine.features import NAMES
from tests.api.conftest import MakeServer
from tests.api.server import command
from tests.support.waiting import eventually
from tests.tracking.logs import log_rows, store
from tracking.learner import Learner
from tracking.policies import PolicyStore
from tracking.sqlite_sink import SqliteSink

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command on the DATA_DIR `tmp_path/var`."""
    return lambda *words: command(*words, DATA_DIR=str(tmp_path / "var"), LOG_DIR=str(tmp_path / "logs"))


@pytest.fixture
def updates(tmp_path: Path) -> int:
    """Logs that were learnt in that DATA_DIR; how many items were examined in them."""
    sink = SqliteSink(tmp_path / "var" / "activity.sqlite")
    store(sink, *log_rows(1))
    learner = Learner(sink, tmp_path / "var" / "policies")
    learner.learn()
    sink.close()
    return learner.state.updates


def shown(run: Run, *words: str) -> dict[str, Any]:
    """What `bandits show` says."""
    done = run("bandits", "show", "--json", *words)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_show_tells_each_pool_for_people_and_for_programs(run: Run, updates: int) -> None:
    found = shown(run)
    assert found["updates"] == updates == sum(pool["updates"] for pool in found["pools"].values())
    assert found["unattributed"] > 0
    for pool in found["pools"].values():
        assert list(pool["theta"]) == list(NAMES)
        assert {"mean_reward", "residual_variance", "exploration_width", "selection_entropy"} <= set(pool)
    text = run("bandits", "show").stdout
    for words in ("updates", "mean reward", "residual variance", "exploration width", "selection entropy", *NAMES):
        assert words in text
    tried = shown(run, "--weights", "watch=0,like=1")
    assert tried["weights"]["like"] == 1.0
    assert tried["pools"]["AU"]["theta"] != found["pools"]["AU"]["theta"]
    assert shown(run) == found


def test_an_export_survives_a_reset_and_a_rebuild_learns_what_the_reset_forgot(
    run: Run, tmp_path: Path, updates: int
) -> None:
    before, file = shown(run)["pools"], str(tmp_path / "kept.npz")
    assert run("bandits", "export", file).returncode == 0
    refused = run("bandits", "reset")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert shown(run)["updates"] == updates
    assert run("bandits", "reset", "--yes").returncode == 0
    assert shown(run)["version"] == "untrained"
    assert run("bandits", "import", file).returncode == 0
    assert shown(run)["pools"] == before
    assert run("bandits", "reset", "--yes").returncode == 0
    done = run("learner", "rebuild", "--json")
    assert json.loads(done.stdout)["updates"] == updates


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("bandits", "import", "absent.npz"), 1),
        (("bandits", "import", __file__), 1),
        (("bandits", "show", "--weights", "liek=1"), 2),
        (("bandits", "export", "/no/such/folder/file.npz"), 1),
    ],
)
def test_what_cannot_be_done_is_one_line(run: Run, words: tuple[str, ...], code: int) -> None:
    done = run(*words)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), done.stderr
    assert done.stdout == ""


def test_beside_a_running_service_its_learner_follows(make_server: MakeServer) -> None:
    server = make_server(FLUSH_COUNT="1", LEARN_SECONDS="0.1").start()
    server.wait_until()
    settings = {name: server.environment[name] for name in ("DATA_DIR", "LOG_DIR", "CREDENTIALS_DIR")}
    policies = PolicyStore(server.data_dir / "policies")

    def watch(user: int) -> None:
        page = server.feed(user_id=user)
        view = {"event_type": "like", "user_id": user, "video_id": page["items"][0]["id"], "feed_id": page["feed_id"]}
        assert server.http.post("/v1/events", json={"events": [view]}).json()["accepted"] == 1

    def learnt(acts: int) -> bool:
        state = policies.load_state()
        return state is not None and state.acts == acts

    watch(1)
    eventually(lambda: learnt(1))
    assert command("bandits", "freeze", **settings).returncode == 0
    eventually(lambda: server.http.get("/health").json()["work"]["learning"].get("frozen") is True)
    watch(2)
    assert command("bandits", "unfreeze", **settings).returncode == 0
    eventually(lambda: learnt(2))
    assert command("bandits", "reset", "--yes", **settings).returncode == 0
    eventually(lambda: server.http.get("/health").json()["policy_version"] == "untrained")
    watch(3)
    eventually(lambda: learnt(1))
    state = policies.load_state()
    assert state is not None
    assert state.updates == 1
    assert command("learner", "rebuild", **settings).returncode == 0
    watch(4)
    eventually(lambda: learnt(4))
