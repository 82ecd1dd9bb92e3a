"""`python -m benchmarks compare [--against REF] [--rounds N] [case ...]`: these files against another commit, in pairs.

Both trees are copied and built, and measured by processes that take turns (see `paired`). Exit code 0: nothing is
slower beyond noise and threshold; 1: something is; 2: it could not be measured.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.table import Table

from benchmarks import baseline, trees
from benchmarks.measure import machine
from benchmarks.paired import THRESHOLD, Verdict, least_rounds, one_round, verdicts

ROUNDS, TURNS = 12, 4
SCRIPT = Path(__file__).with_name("cases.py")
WORLDS = "benchmarks/worlds.py"


def main(arguments: Sequence[str]) -> int:
    """Compare and print; the exit code."""
    wanted = parser().parse_args(arguments)
    try:
        other = trees.commit_of(wanted.against or baseline.load().commit)
        print(f"these files against {other[:12]}", file=sys.stderr)
        found = verdicts(compared(other, wanted.case, wanted.rounds), wanted.threshold)
    except (RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    Console(width=None if sys.stdout.isatty() else 120).print(table(found))
    return 1 if any(one.regressed for one in found.values()) else 0


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(prog="python -m benchmarks compare", description="Measure against another commit.")
    made.add_argument("case", nargs="*", help="what to measure; everything unless said")
    made.add_argument("--against", help="commit, branch or tag; that of benchmarks/baseline.json unless said")
    made.add_argument("--rounds", type=int, default=ROUNDS, help="pairs of processes")
    made.add_argument("--threshold", type=float, default=THRESHOLD, help="slowdown that fails, 0.05 for 5 %%")
    return made


def compared(other: str, cases: Sequence[str], least: int) -> list[dict[str, float]]:
    """The ratios of each round: as many as asked for, or as it takes to tell anything."""
    with tempfile.TemporaryDirectory(prefix="talentfeed-compare-") as folder:
        pair = trees.present(Path(folder) / "now"), trees.committed(other, Path(folder) / "other")
        if (pair[0] / WORLDS).read_bytes() != (pair[1] / WORLDS).read_bytes():
            print(f"{WORLDS} differs between the trees: the work may, too", file=sys.stderr)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(trees.build, pair))
        rounds = [paired_processes(pair, cases)]
        while len(rounds) < max(least, least_rounds(len(rounds[0]))):
            rounds.append(paired_processes(pair, cases))
        return rounds


def paired_processes(pair: tuple[Path, Path], cases: Sequence[str]) -> dict[str, float]:
    """One round, in two new processes."""
    with Process(pair[0], cases) as now, Process(pair[1], cases) as other:
        other.ready()
        return one_round(now, other, now.ready(), TURNS)


class Process:
    """One tree, ready to be measured."""

    def __init__(self, tree: Path, cases: Sequence[str]) -> None:
        self._tree, self._cases = tree, cases

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(SCRIPT), str(self._tree), *self._cases],
            cwd=self._tree,
            env=trees.environment(self._tree),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def ready(self) -> list[str]:
        """Wait until all cases are built; their names. Raises RuntimeError when one cannot be, after its traceback."""
        names: list[str] = json.loads(self._answer())
        return names

    def measure(self, case: str, turn: int) -> float:
        """Milliseconds of one call, by this process."""
        assert self._process.stdin
        self._process.stdin.write(f"{case} {turn}\n")
        self._process.stdin.flush()
        return float(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"the cases cannot be measured in {self._tree.name}: see above")
        return line


def table(found: Mapping[str, Verdict]) -> Table:
    """A line a case."""
    shown = Table("what", "time, now / other", "bounds", "verdict", title=machine())
    for case, one in found.items():
        shown.add_row(case, f"{one.ratio:.3f}", f"{one.low:.3f} to {one.high:.3f}", one.word)
    return shown
