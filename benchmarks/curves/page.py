"""Puts tables and pictures into docs/performance.md: between two marks a curve stands as its data have it.

<!-- curve: videos -->
... the picture and the table, written here ...
<!-- end of curve -->
"""

import re
import textwrap
from pathlib import Path

from benchmarks.curves.chart import Chart, Curve

WIDTH = 120
MARKED = re.compile(r"<!-- curve: (?P<name>[a-z_]+) -->\n.*?<!-- end of curve -->", re.DOTALL)


def filled(page: str, curves: dict[str, Curve], folder: str) -> str:
    """The page with every marked place written anew; the pictures are in `folder`. KeyError for no such curve."""

    def block(found: re.Match[str]) -> str:
        return f"<!-- curve: {found['name']} -->\n{told(curves[found['name']], folder)}\n<!-- end of curve -->"

    return MARKED.sub(block, page)


def told(curve: Curve, folder: str) -> str:
    """A picture if there is one, the table, and where the figures come from."""
    parts = [curve.table(), textwrap.fill(f"{curve.note} {curve.machine}; commit {curve.commit}.".strip(), WIDTH)]
    if isinstance(curve, Chart):
        parts = [f"![{curve.title}]({folder}/{curve.name}.svg)", f"{curve.title}, in {curve.y.label}:", *parts]
    return "\n\n".join(parts)


def fill(path: Path, curves: dict[str, Curve], folder: str) -> None:
    """Write the page anew."""
    path.write_text(filled(path.read_text(encoding="utf-8"), curves, folder), encoding="utf-8")
