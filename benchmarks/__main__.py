"""Run the benchmarks: `make bench`, or `python -m benchmarks [name ...]` (the long ones run by name alone).

`python -m benchmarks --save` measures anew what benchmarks/baseline.json holds; `compare` and `curves` are commands of
their own (`python -m benchmarks compare --help`).
"""

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import baseline, trees
from benchmarks.measure import Result, machine

MODULES = ("engine_feed", "scoring", "scale", "activity", "load", "http", "memory", "reload_under_load")
BY_NAME_ALONE = {"reload_under_load"}  # takes four minutes
COMMANDS = ("compare", "curves")
IN_BASELINE = ("engine_feed", "scoring", "scale", "http")
RUNS = 7


def main(arguments: list[str]) -> int:
    """Run the named modules, or all but the long ones. Returns the exit code; 2 for a name that is not there."""
    if arguments and arguments[0] in COMMANDS:
        return int(importlib.import_module(f"benchmarks.{arguments[0]}").main(arguments[1:]))
    wanted = parser().parse_args(arguments)
    if unknown := [name for name in wanted.name if name not in MODULES]:
        print(f"no benchmark {unknown[0]!r}: there are {', '.join((*MODULES, *COMMANDS))}", file=sys.stderr)
        return 2
    if wanted.save:
        return save()
    if wanted.json:
        results = [result for name in wanted.name for result in importlib.import_module(f"benchmarks.{name}").run()]
        wanted.json.write_text(json.dumps([asdict(result) for result in results]))
        return 0
    return show(wanted.name or [name for name in MODULES if name not in BY_NAME_ALONE])


def show(names: list[str]) -> int:
    """Print the table of these benchmarks, each in a process of its own; 1 when one of them failed."""
    results, failed = [], []
    for name in names:
        print(f"measuring: {name}", file=sys.stderr)
        try:
            results += one_run([name])
        except subprocess.CalledProcessError:
            failed.append(name)
    Console(width=None if sys.stdout.isatty() else 150).print(table(results))
    for name in failed:
        print(f"{name} failed: its lines are not in the table", file=sys.stderr)
    return 1 if failed else 0


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    made.add_argument("name", nargs="*", help=f"one of {', '.join(MODULES)}")
    made.add_argument("--save", action="store_true", help=f"write the baseline from {RUNS} runs")
    made.add_argument("--json", type=Path, help="write the results there, print nothing")
    return made


def save() -> int:
    """Write the baseline from several runs."""
    if trees.changed():
        print("files differ from the last commit: the baseline names a commit that is not quite this", file=sys.stderr)
    runs = [[result for name in IN_BASELINE for result in one_run([name])] for _ in range(RUNS)]
    baseline.save(baseline.of_runs(runs, trees.commit_of("HEAD"), machine()))
    return 0


def one_run(names: list[str]) -> list[Result]:
    """The results of one run in a fresh process. Raises CalledProcessError when it fails, with its words on stderr."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.json"
        subprocess.run([sys.executable, "-m", "benchmarks", *names, "--json", str(path)], cwd=trees.ROOT, check=True)
        return [Result(**result) for result in json.loads(path.read_text())]


def table(results: list[Result]) -> Table:
    """The results with the machine they ran on, and what the baseline says of them."""
    known = baseline.load_or_none()
    where = "" if known.machine == machine() else f", taken on {known.machine}"
    title = f"{machine()}\nbaseline: {known.commit[:12]}{where}"
    shown = Table("what", "median ms", "10 % below", "promise", "ratio", "beside the baseline", title=title)
    for result in results:
        times = f"{result.median_ms:.3f}", f"{result.tenth_ms:.3f}"
        shown.add_row(result.what, *times, result.promise, result.ratio, known.mark(result))
    return shown


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
