"""A measured curve as data: what a picture and a table are made of, and what is kept beside them as JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Axis:
    """What is along one side, logarithmic or from 0."""

    label: str
    log: bool = True


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its points, x ascending. A `limit` is drawn dashed and without marks: computed, not measured."""

    name: str
    points: list[tuple[float, float]]
    limit: bool = False

    @classmethod
    def of(cls, name: str, points: Iterable[tuple[float, float]], limit: bool = False) -> "Series":
        """With as many digits as a measurement has."""
        return cls(name, [(float(x), float(f"{y:.4g}")) for x, y in points], limit)


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture with its table. `machine`, `commit` and `note` are where the figures come from."""

    name: str
    title: str
    x: Axis
    y: Axis
    series: list[Series]
    machine: str = ""
    commit: str = ""
    note: str = ""

    def table(self) -> str:
        """A row for each x, a column for each line."""
        known = [dict(one.points) for one in self.series]
        rows = [
            [compact(x), *(shown(points[x]) if x in points else "" for points in known)]
            for x in sorted({x for points in known for x in points})
        ]
        return markdown([self.x.label, *(one.name for one in self.series)], rows)


@dataclass(frozen=True, slots=True)
class Sheet:
    """Figures that make no line: a table alone."""

    name: str
    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    machine: str = ""
    commit: str = ""
    note: str = ""

    def table(self) -> str:
        """The rows as they are."""
        return markdown(self.columns, self.rows)


Curve = Chart | Sheet


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for a page.

    >>> print(markdown(["a", "b"], [["1", "2"]]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = [columns, None, *rows]
    return "\n".join("|" + "---|" * len(columns) if line is None else f"| {' | '.join(line)} |" for line in lines)


def shown(value: float) -> str:
    """A measured number: three digits that count.

    >>> [shown(value) for value in (0.01234, 1.2345, 56.78, 4321.0, 0.0)]
    ['0.0123', '1.23', '56.8', '4,320', '0']
    """
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def compact(value: float) -> str:
    """A round number, as an axis shows it.

    >>> [compact(value) for value in (0.05, 2, 100, 20_000, 1_000_000)]
    ['0.05', '2', '100', '20 k', '1 M']
    """
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def save(curve: Curve, folder: Path) -> None:
    """Write `<name>.json`, a member a line."""
    folder.mkdir(parents=True, exist_ok=True)
    members = [f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in asdict(curve).items()]
    (folder / f"{curve.name}.json").write_text("{\n" + ",\n".join(members) + "\n}\n", encoding="utf-8")


def load(path: Path) -> Curve:
    """Read what `save` wrote."""
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if "rows" in read:
        return Sheet(**read)
    x, y = Axis(**read.pop("x")), Axis(**read.pop("y"))
    lines = [Series(one["name"], [(x, y) for x, y in one["points"]], one["limit"]) for one in read.pop("series")]
    return Chart(**read, x=x, y=y, series=lines)
