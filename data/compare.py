"""New tables against those of the snapshot before: what no app does to its tables overnight refuses the load.

A profile of the clean tables is kept with every snapshot. A load is refused when rows vanished, when unusable rows or
empty cells became many more, when numbers changed their size, or when the newest interaction is older than before.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from data.sources.base import LoadError
from data.tables import TABLES, Kind, Tables

LEAST_ROWS = 20  # shares of fewer say nothing
BUSY = "interactions"  # whose newest date never goes back; the newest flow or video may well be taken away
NUMBERS = ("views", "exhibited_count", "rating")

Profile = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a table may be from the one before. Shares are 0 to 1; 1 lets everything pass.

    `row_drop`: share of the rows that may vanish. `quarantine_rise` and `empty_rise`: by how much the share of unusable
    rows, and of empty cells in a column, may rise. `mean_change`: the factor by which the mean of a number may change.
    `days_back`: how much older the newest interaction may be.
    """

    row_drop: float = 0.5
    quarantine_rise: float = 0.25
    empty_rise: float = 0.5
    mean_change: float = 10.0
    days_back: float = 7.0


def profile(tables: Tables) -> dict[str, Any]:
    """What is remembered of clean tables: plain JSON values, table by table."""
    return {spec.name: _profile(tables, spec.name) for spec in TABLES}


def _profile(tables: Tables, table: str) -> dict[str, Any]:
    frame: pd.DataFrame = getattr(tables, table)
    left_out = sum(tables.quarantine.get(table, {}).values())
    found: dict[str, Any] = {"rows": tables.rows(table), "left_out": left_out, "empty": {}, "mean": {}, "latest": None}
    if not len(frame):
        return found
    weights = frame["rows"].to_numpy(dtype=np.int64) if "rows" in frame else np.ones(len(frame), dtype=np.int64)
    for column in (column for spec in TABLES if spec.name == table for column in spec.columns if column.name in frame):
        cells = frame[column.name]
        if column.kind is Kind.LIST:
            empty = np.array([not names for names in cells.tolist()])
        else:
            empty = cells.isna().to_numpy()
        found["empty"][column.name] = round(int(weights[empty].sum()) / found["rows"], 4)
        if column.name in NUMBERS and not empty.all():
            mean = np.average(cells.to_numpy(dtype=np.float64)[~empty], weights=weights[~empty])
            found["mean"][column.name] = round(float(mean), 4)
        if table == BUSY and column.name == "created_at" and not empty.all():
            found["latest"] = cells.max().isoformat()
    return found


def compare(tables: Tables, before: Profile | None, limits: Limits) -> dict[str, Any]:
    """The profile of clean tables, when they may follow those with the profile `before`.

    Raises `LoadError` naming every table, the check with its setting, and both numbers. Without a profile (the first
    snapshot, or one of another source) only a table of which no row is left is refused.
    """
    after = profile(tables)
    problems = [
        f"table {spec.name}: none of its {after[spec.name]['left_out']:,} rows can be used"
        for spec in TABLES
        if not spec.may_be_empty and not after[spec.name]["rows"]
    ]
    for table, old in (before or {}).items():
        if table in after and old["rows"] >= LEAST_ROWS:
            problems += [f"table {table}: {words}" for words in _differences(old, after[table], limits)]
    if problems:
        raise LoadError("; ".join(problems))
    return after


def _differences(old: Profile, new: Profile, limits: Limits) -> Iterator[str]:
    drop = 1 - new["rows"] / old["rows"]
    if drop > limits.row_drop:
        fewer = f"{new['rows']:,} usable rows instead of {old['rows']:,}, {drop:.0%} fewer"
        yield f"{fewer} (MAX_ROW_DROP {limits.row_drop:g})"
    before, after = _left_out(old), _left_out(new)
    if after - before > limits.quarantine_rise:
        rise = f"{after:.0%} of its rows cannot be used, {before:.0%} before"
        yield f"{rise} (MAX_QUARANTINE_RISE {limits.quarantine_rise:g})"
    if new["rows"] < LEAST_ROWS:
        return
    for column, empty in new["empty"].items():
        known = old["empty"].get(column, empty)
        if empty - known > limits.empty_rise:
            yield f"column {column}: {empty:.0%} empty, {known:.0%} before (MAX_EMPTY_RISE {limits.empty_rise:g})"
    for column, mean in new["mean"].items():
        known = old["mean"].get(column, mean)
        if (mean + 1) / (known + 1) > limits.mean_change or (known + 1) / (mean + 1) > limits.mean_change:
            yield f"column {column}: mean {mean:g}, {known:g} before (MAX_MEAN_CHANGE {limits.mean_change:g})"
    if old["latest"] and new["latest"]:
        back = datetime.fromisoformat(old["latest"]) - datetime.fromisoformat(new["latest"])
        if back > timedelta(days=limits.days_back):
            newest = f"column created_at: newest {new['latest']}, {old['latest']} before"
            yield f"{newest} (MAX_DAYS_BACK {limits.days_back:g})"


def _left_out(known: Profile) -> float:
    return float(known["left_out"] / max(known["rows"] + known["left_out"], 1))
