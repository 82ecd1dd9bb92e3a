"""Run the benchmarks: `make bench`, or `python -m benchmarks [name ...]` (the long ones run by name alone)."""

import importlib
import sys

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Result, machine

MODULES = ("engine_feed", "scoring", "scale", "activity", "load", "http", "memory", "reload_under_load")
BY_NAME_ALONE = {"reload_under_load"}  # takes four minutes


def main(names: list[str]) -> int:
    """Run the named modules, or all but the long ones. Returns the exit code; 2 for a name that is not there."""
    unknown = [name for name in names if name not in MODULES]
    if unknown:
        print(f"no benchmark {unknown[0]!r}: there are {', '.join(MODULES)}", file=sys.stderr)
        return 2
    wanted = names or [name for name in MODULES if name not in BY_NAME_ALONE]
    results = [result for name in wanted for result in importlib.import_module(f"benchmarks.{name}").run()]
    Console().print(table(results))
    return 0


def table(results: list[Result]) -> Table:
    """The results with the machine they ran on."""
    shown = Table("what", "median ms", "10 % below", "promise", "ratio", title=machine())
    for result in results:
        shown.add_row(result.what, f"{result.median_ms:.3f}", f"{result.tenth_ms:.3f}", result.promise, result.ratio)
    return shown


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
