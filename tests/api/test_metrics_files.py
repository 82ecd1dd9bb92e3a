"""Metrics of processes that ended stay counted and leave no files behind."""

import os
import subprocess
import sys
from pathlib import Path

from api.metrics_files import bury, reserve
from tests.api.server import ROOT, environment

COUNT = "import os; from api import metrics; metrics.events.labels('accepted').inc(3); metrics.snapshot_age.set(5);"
SHOW = (
    "import sys; from api import metrics, settings as s; sys.stdout.write(metrics.render(s.metrics_folder()).decode())"
)


def run(folder: Path, script: str) -> str:
    words = [sys.executable, "-c", script]
    kept = environment(PROMETHEUS_MULTIPROC_DIR=str(folder))
    return subprocess.run(words, cwd=ROOT, env=kept, capture_output=True, text=True, check=True).stdout


def test_what_dead_processes_counted_is_kept_in_one_file(tmp_path: Path) -> None:
    pids = [int(run(tmp_path, COUNT + "print(os.getpid())")) for _ in range(3)]
    for pid in pids:
        bury(tmp_path, pid)
        bury(tmp_path, pid)
    assert {path.name for path in tmp_path.iterdir()} == {"counter_0.db", "histogram_0.db"}
    assert 'talentfeed_events_total{outcome="accepted"} 9.0' in run(tmp_path, SHOW)


def test_a_damaged_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "counter_5.db").write_bytes(b"\xff" * 100)
    bury(tmp_path, 5)
    assert not (tmp_path / "counter_5.db").exists()


def test_files_of_metrics_take_their_disk_space_at_once(tmp_path: Path) -> None:
    sparse = tmp_path / f"counter_{os.getpid()}.db"
    with sparse.open("wb") as file:
        file.truncate(1 << 20)
    assert sparse.stat().st_blocks * 512 < 1 << 20
    reserve(tmp_path, os.getpid())
    assert sparse.stat().st_blocks * 512 >= 1 << 20
