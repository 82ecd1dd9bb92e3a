"""benchmarks/baseline.json: figures of one machine as shares of yardsticks, with their spread, for later runs.

A share is a time over that of fixed work in the same run (`Result.share`), so a machine twice as fast has the same.
Each figure keeps the shares of several runs in processes of their own; a later run is called different when it lies
outside the interval that holds one more run of the same code with 99 % (Student's t on logarithms).
"""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scipy import stats

from benchmarks.measure import Result

PATH = Path(__file__).with_name("baseline.json")
CONFIDENCE = 0.99
LEAST_SPREAD = 0.02
"""Runs that agree better than this did so by luck."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the baseline: median milliseconds, for people, and the share in each run."""

    what: str
    median_ms: float
    shares: list[float]

    def bounds(self) -> tuple[float, float]:
        """Where the share of one more run of the same code lies."""
        logs, runs = [math.log(share) for share in self.shares], len(self.shares)
        spread = max(statistics.stdev(logs), LEAST_SPREAD)
        reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, runs - 1)) * spread * math.sqrt(1 + 1 / runs)
        middle = statistics.fmean(logs)
        return math.exp(middle - reach), math.exp(middle + reach)


@dataclass(frozen=True, slots=True)
class Baseline:
    """All figures, the commit they are of, and the machine that took them."""

    commit: str
    machine: str
    figures: dict[str, Figure]

    def mark(self, result: Result) -> str:
        """How a result compares: empty for one that is not in the baseline."""
        known = self.figures.get(result.figure)
        if not known:
            return ""
        low, high = known.bounds()
        if low <= result.share <= high:
            return "as before"
        change = result.share / statistics.median(known.shares)
        return f"FASTER, {change:.2f} of the time" if result.share < low else f"SLOWER, {change:.2f} times"


def of_runs(runs: Sequence[Sequence[Result]], commit: str, machine: str) -> Baseline:
    """The baseline of some runs of the same benchmarks. Raises ValueError for fewer than two runs."""
    if len(runs) < 2:
        raise ValueError("one run has no spread")
    figures = {}
    for name in [result.figure for result in runs[0] if result.figure]:
        same = [result for run in runs for result in run if result.figure == name]
        median = statistics.median(result.median_ms for result in same)
        figures[name] = Figure(same[0].what, round(median, 4), [round(result.share, 5) for result in same])
    return Baseline(commit, machine, figures)


def save(found: Baseline, path: Path = PATH) -> None:
    """Write the file, a figure a line."""
    figures = ",\n".join(f"  {_json(name)}: {_json(asdict(figure))}" for name, figure in found.figures.items())
    head = f' "commit": {_json(found.commit)},\n "machine": {_json(found.machine)},\n'
    path.write_text(f'{{\n{head} "figures": {{\n{figures}\n }}\n}}\n', encoding="utf-8")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def load(path: Path = PATH) -> Baseline:
    """Read the file. Raises OSError when there is none."""
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    figures = {name: Figure(**figure) for name, figure in read["figures"].items()}
    return Baseline(read["commit"], read["machine"], figures)


def load_or_none(path: Path = PATH) -> Baseline:
    """The same, without any figure when there is no file."""
    return load(path) if path.exists() else Baseline("none", "", {})
