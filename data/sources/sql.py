"""What both SQL sources share: the statements, the check of the source's columns, and what is known after reading."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pandas as pd

from data.growth import Growth
from data.sources.base import LoadError
from data.tables import TABLES, Kind, TableNames, Tables, TableSpec

Schema = Mapping[str, Mapping[str, str]]  # lower-case table -> lower-case column -> type as the source writes it


def select(spec: TableSpec, names: TableNames, around: Mapping[Kind, str] = MappingProxyType({})) -> str:
    """The statement that reads one table: its columns in our order, NULL where the source lacks one.

    `around` has expressions around the columns of a kind, with `{}` for the column.

    >>> select(TABLES[3], TableNames.parse("connections=friends, connections.created_at="))
    'SELECT `user_id`, `connected_user_id`, `status`, NULL FROM `friends`'
    """
    expressions = []
    for column in spec.columns:
        name = names.column(spec.name, column.name)
        quoted = f"`{name}`" if name else "NULL"
        expressions.append(around.get(column.kind, "{}").format(quoted) if name else quoted)
    return f"SELECT {', '.join(expressions)} FROM `{names.table(spec.name)}`"


def check_schema(found: Schema, names: TableNames) -> None:
    """Compare what the source has with what is needed; `LoadError` names every table and column that differs."""
    problems: list[str] = []
    for spec in TABLES:
        columns = found.get(names.table(spec.name).lower())
        if columns is None:
            problems.append(f"table {names.table(spec.name)} is missing")
            continue
        problems.extend(filter(None, (_problem(spec, index, columns, names) for index in range(len(spec.columns)))))
    if problems:
        raise LoadError("; ".join(problems))


def _problem(spec: TableSpec, index: int, columns: Mapping[str, str], names: TableNames) -> str | None:
    column = spec.columns[index]
    name = names.column(spec.name, column.name)
    if name is None:
        return None
    where = f"table {names.table(spec.name)}, column {name}"
    if (found := columns.get(name.lower())) is None:
        return f"{where} is missing"
    base = found.lower().partition("(")[0].split(" ")[0]
    if base not in column.kind.types:
        return f"{where} is {found}, but should be {column.kind.words} ({', '.join(sorted(column.kind.types))})"
    return None


def check_filled(spec: TableSpec, rows: int, names: TableNames) -> None:
    """`LoadError` when a table without which there is no feed has no row."""
    if not rows and not spec.may_be_empty:
        raise LoadError(f"table {names.table(spec.name)} is empty")


def finished(
    frames: Mapping[str, pd.DataFrame],
    as_of: datetime,
    source: str,
    growth: Mapping[str, Growth] = MappingProxyType({}),
) -> Tables:
    """Raw tables with their watermark: per table its rows and its latest date not after `as_of`.

    `growth` has the rows of earlier loads, with those of this one counted but their latest date yet unknown.
    """
    watermark: dict[str, Any] = {}
    grown: dict[str, Growth] = {}
    limit = pd.Timestamp(as_of.astimezone(UTC).replace(tzinfo=None))
    for name, frame in frames.items():
        dates, rows = frame["created_at"][frame["created_at"] <= limit], len(frame)
        latest = None if dates.empty else dates.max()
        if before := growth.get(name):
            rows = before.mark.rows
            latest = max(filter(None, (latest, before.latest and pd.Timestamp(before.latest))), default=None)
            grown[name] = replace(before, latest=latest and str(latest))
        watermark[name] = {"rows": rows, "latest": latest and str(latest)}
    none = pd.DataFrame()
    empty = Tables(none, none, none, none, none, as_of=as_of, source=source, watermark=watermark, growth=grown)
    return empty.with_frames(frames)
