"""Run all benchmarks: `make bench`, or `python -m benchmarks [name ...]`."""

import importlib
import sys

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Result, machine

MODULES = ("engine_feed", "scoring", "scale", "activity", "load")


def main(names: list[str]) -> int:
    """Run the named modules, or all. Returns the exit code; 2 for a name that is not there."""
    unknown = [name for name in names if name not in MODULES]
    if unknown:
        print(f"no benchmark {unknown[0]!r}: there are {', '.join(MODULES)}", file=sys.stderr)
        return 2
    results = [result for name in names or MODULES for result in importlib.import_module(f"benchmarks.{name}").run()]
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
