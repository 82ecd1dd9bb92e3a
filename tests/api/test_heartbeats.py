"""Who counts as alive: processes of this machine while they run, those of others while they are heard of."""

import time
from pathlib import Path

from api.files import write_json
from api.heartbeats import Heartbeats


def test_a_process_is_alive_until_it_takes_its_leave(tmp_path: Path) -> None:
    heartbeats = Heartbeats(tmp_path)
    heartbeats.beat("serve", generation=3)
    (found,) = heartbeats.alive("serve")
    assert found["generation"] == 3
    assert heartbeats.alive("work") == []
    heartbeats.remove()
    assert heartbeats.alive("serve") == []


def test_a_process_of_another_machine_counts_although_no_process_here_has_its_number(tmp_path: Path) -> None:
    state = {"pid": 2**22 + 1, "role": "work", "beat_at": time.time()}
    write_json(tmp_path / "elsewhere-1.json", {**state, "host": "elsewhere.example"})
    assert [found["host"] for found in Heartbeats(tmp_path).alive("work")] == ["elsewhere.example"]


def test_dead_and_silent_processes_do_not_count_and_are_cleaned_away(tmp_path: Path) -> None:
    heartbeats = Heartbeats(tmp_path)
    heartbeats.beat("work")
    (own,) = heartbeats.alive("work")
    write_json(tmp_path / "dead.json", {**own, "pid": 2**22 + 1})
    write_json(tmp_path / "silent.json", {**own, "host": "elsewhere.example", "beat_at": time.time() - 60})
    (tmp_path / "torn.json").write_text("{")
    assert heartbeats.alive("work") == [own]
    (tmp_path / "gone.turn").touch()
    heartbeats.clean()
    (left,) = tmp_path.iterdir()
    assert left.suffix == ".json"
