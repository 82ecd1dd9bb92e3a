"""`python -m benchmarks curves [name ...] [--redraw]`: what docs/performance.md shows, measured, drawn and kept.

Each curve is saved as docs/performance/<name>.json, drawn as <name>.svg, and written into the page; `--redraw` makes
pictures and page from the data that are there.
"""

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.curves import chart, page, svg
from benchmarks.curves.chart import Chart, Curve
from benchmarks.measure import machine
from benchmarks.trees import ROOT, changed, git

MODULES = ("videos", "users", "workers", "reloads", "capacity")
PAGE = ROOT / "docs" / "performance.md"
FOLDER = PAGE.with_suffix("")


def main(arguments: Sequence[str]) -> int:
    """Measure the named curves, or all; draw everything. Returns the exit code; 2 for a name that is not there."""
    made = argparse.ArgumentParser(prog="python -m benchmarks curves", description=__doc__)
    made.add_argument("name", nargs="*", help=f"one of {', '.join(MODULES)}")
    made.add_argument("--redraw", action="store_true", help="measure nothing")
    wanted = made.parse_args(arguments)
    if unknown := [name for name in wanted.name if name not in MODULES]:
        print(f"no curve {unknown[0]!r}: there are {', '.join(MODULES)}", file=sys.stderr)
        return 2
    names = [] if wanted.redraw else wanted.name or list(MODULES)
    if len(names) > 1:  # each in a process of its own: what one did to the memory is not the next one's
        return max(subprocess.call([sys.executable, "-m", "benchmarks", "curves", name], cwd=ROOT) for name in names)
    for name in names:
        measure(name)
    redraw()
    return 0


def measure(name: str) -> None:
    """Measure one module's curves and keep their data."""
    print(f"measuring: {name}", file=sys.stderr)
    load = os.getloadavg()[0]
    for curve in importlib.import_module(f"benchmarks.curves.{name}").measured():
        chart.save(signed(curve, load), FOLDER)


def signed(curve: Curve, load: float) -> Curve:
    """The curve with the machine that it was measured on, the load that others made, and the commit."""
    commit = git("rev-parse", "--short=12", "HEAD") + (" with changes" if changed() else "")
    return replace(curve, machine=f"{machine()}, load {load:.1f} when it began", commit=commit)


def kept() -> dict[str, Curve]:
    """All curves that were measured, by name."""
    return {path.stem: chart.load(path) for path in sorted(FOLDER.glob("*.json"))}


def redraw() -> None:
    """Draw all pictures and fill the page from the data."""
    curves = kept()
    for curve in curves.values():
        if isinstance(curve, Chart):
            (FOLDER / f"{curve.name}.svg").write_text(svg.draw(curve), encoding="utf-8")
    page.fill(PAGE, curves, FOLDER.name)
