"""Two trees compared by real processes: what comes out is a ratio; how large it is, no test can say."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import compare, trees

ROOT = trees.ROOT


def test_a_case_is_measured_in_the_tree_that_it_is_told() -> None:
    with compare.Process(ROOT, ["feed, 1,000 videos"]) as process:
        assert process.ready() == ["feed, 1,000 videos"]
        assert process.measure("feed, 1,000 videos", 0) > 0
        assert process.measure("feed, 1,000 videos", 1) > 0


def test_a_tree_whose_engine_is_another_ones_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-P", str(compare.SCRIPT), str(tmp_path), "feed, 1,000 videos"]
    done = subprocess.run(
        command, env=trees.environment(ROOT), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "not from" in done.stderr


def test_the_present_files_and_a_commit_are_copied_with_their_code(tmp_path: Path) -> None:
    for tree in (trees.present(tmp_path / "now"), trees.committed("HEAD", tmp_path / "other")):
        assert (tree / "engine" / "kernel" / "kernel.c").is_file()
        assert not list(tree.rglob("*.so"))


def test_an_unknown_case_is_refused_by_name(capfd: pytest.CaptureFixture[str]) -> None:
    with compare.Process(ROOT, ["no such case"]) as process, pytest.raises(RuntimeError, match="cannot be measured"):
        process.ready()
    assert "no such case" in capfd.readouterr().err


def test_what_cannot_be_measured_is_no_regression(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(["--against", "no-such-commit"]) == 2
    assert "no-such-commit" in capsys.readouterr().err
