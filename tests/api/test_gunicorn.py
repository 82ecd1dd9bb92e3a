"""The production command: gunicorn with uvicorn workers, and the work process beside it."""

import subprocess
import sys

from tests.api.conftest import MakeServer
from tests.api.server import PATIENCE, ROOT
from tests.support.waiting import eventually

COMMAND = [sys.executable, "-m", "gunicorn", "-c", "python:api.gunicorn_settings", "api.app:create()"]


def test_gunicorn_serves_reloads_and_drains_with_a_work_process_beside_it(make_server: MakeServer) -> None:
    serving = make_server(WORKERS="2")
    settings = {**serving.environment, "PORT": str(serving.port)}
    with (serving.folder / "output").open("ab") as output:
        serving.process = subprocess.Popen(COMMAND, cwd=ROOT, env=settings, stdout=output, stderr=output)
        words = [sys.executable, "-m", "api.cli", "serve", "--role", "work"]
        work = subprocess.Popen(words, cwd=ROOT, env=settings, stdout=output, stderr=output)
    try:
        serving.wait_until()
        eventually(lambda: len(serving.pids("serve")) == 2)
        state = serving.reload()
        assert (state["live"], len(state["workers"])) == (True, 2)
        assert serving.feed(user_id=1)["snapshot_id"] == state["snapshot_id"]
        eventually(lambda: "talentfeed_engine_swaps_total 4.0" in serving.http.get("/metrics").text)
    finally:
        work.terminate()
        code = serving.stop()
    assert code == 0
    assert work.wait(PATIENCE) == 0


def test_gunicorn_refuses_wrong_settings_with_a_line_each(make_server: MakeServer) -> None:
    refusing = make_server(WORKERS="0", PORT="http")
    ended = subprocess.run(COMMAND, cwd=ROOT, env=refusing.environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert [line.split(":")[0] for line in ended.stderr.splitlines()] == ["PORT", "WORKERS"]
