"""`python -m benchmarks`: its exit codes, and that one benchmark's failure costs its own lines alone."""

import subprocess

import pytest

from benchmarks import __main__ as command
from benchmarks import baseline
from benchmarks.measure import Result


def test_an_unknown_benchmark_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["no-such-benchmark"]) == 2
    assert "no-such-benchmark" in capsys.readouterr().err


def test_a_benchmark_that_fails_is_told_and_the_others_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def one_run(names: list[str]) -> list[Result]:
        if names == ["scale"]:
            raise subprocess.CalledProcessError(1, names)
        return [Result(f"the line of {name}", 1.0, 1.0) for name in names]

    monkeypatch.setattr(command, "one_run", one_run)
    assert command.main(["http", "scale", "memory"]) == 1
    shown = capsys.readouterr()
    assert "the line of http" in shown.out
    assert "the line of memory" in shown.out
    assert "scale failed" in shown.err


def test_benchmarks_that_all_succeed_end_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "one_run", lambda names: [Result("a line", 1.0, 1.0)])
    assert command.main(["http"]) == 0


def test_every_benchmark_of_the_baseline_is_one_that_there_is_and_so_is_every_long_one() -> None:
    assert {*command.IN_BASELINE, *command.BY_NAME_ALONE} <= set(command.MODULES)


def test_the_baseline_that_is_kept_can_be_read_and_each_figure_has_bounds_around_its_shares() -> None:
    for figure in baseline.load().figures.values():
        low, high = figure.bounds()
        assert low <= min(figure.shares) <= max(figure.shares) <= high
