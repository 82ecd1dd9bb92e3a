"""The recorded baseline: what lies within its spread, and what does not."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import baseline
from benchmarks.baseline import Figure
from benchmarks.measure import Result


def result(share: float, figure: str = "feed") -> Result:
    """A line of a run."""
    return Result("one feed", 0.4, 0.3, figure=figure, share=share)


def recorded(shares: list[float]) -> baseline.Baseline:
    """A baseline of one figure."""
    return baseline.of_runs([[result(share)] for share in shares], "c0ffee", "some machine")


def test_a_share_within_the_spread_is_as_before_and_one_outside_is_marked() -> None:
    known = recorded([2.0, 2.05, 1.95, 2.02, 1.98])
    assert known.mark(result(2.04)) == "as before"
    assert known.mark(result(2.6)).startswith("SLOWER, 1.30")
    assert known.mark(result(1.5)).startswith("FASTER, 0.75")


def test_a_figure_the_baseline_does_not_hold_is_not_marked() -> None:
    assert recorded([2.0, 2.1]).mark(result(9.0, "new")) == ""
    assert recorded([2.0, 2.1]).mark(Result("no figure", 1, 1)) == ""


def test_one_more_run_of_the_same_code_is_seldom_outside() -> None:
    random = np.random.default_rng(1)
    outside = 0
    for _ in range(500):
        *shares, another = random.lognormal(0.5, 0.08, 8).tolist()
        low, high = Figure("a feed", 1.0, shares).bounds()
        outside += not low <= another <= high
    assert outside <= 15  # 1 % of 500 are 5


def test_runs_that_agree_by_luck_do_not_make_the_spread_nothing() -> None:
    low, high = Figure("a feed", 1.0, [2.0, 2.0, 2.0]).bounds()
    assert low < 1.99 < 2.01 < high


def test_a_saved_baseline_is_read_back_and_a_missing_one_marks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    assert baseline.load_or_none(path).mark(result(9.0)) == ""
    baseline.save(recorded([2.0, 2.1]), path)
    assert baseline.load(path) == recorded([2.0, 2.1])


def test_a_single_run_has_no_spread() -> None:
    with pytest.raises(ValueError, match="no spread"):
        recorded([2.0])
