"""Files that processes share."""

import threading
import time
from pathlib import Path

from api.files import in_turn, locked


def test_turns_come_one_after_another(tmp_path: Path) -> None:
    inside, most = [], []

    def work() -> None:
        with in_turn(tmp_path / "turn", 30.0):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6


def test_who_has_waited_too_long_for_a_turn_goes_on(tmp_path: Path) -> None:
    gone_on = []
    with locked(tmp_path / "turn"), in_turn(tmp_path / "turn", 0.02):
        gone_on.append(True)
    assert gone_on


def test_who_cannot_use_the_file_goes_on(tmp_path: Path) -> None:
    (tmp_path / "no folder").touch()
    gone_on = []
    with in_turn(tmp_path / "no folder" / "turn", 0.02):
        gone_on.append(True)
    assert gone_on
