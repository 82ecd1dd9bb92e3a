"""Rows of a source as typed columns: a chunk of rows is converted at once, so that memory stays bounded.

Whole numbers become nullable Int64 (a cell that is no number is `UNREADABLE`, so that it can be told from NULL),
ratings float32, words of few values categories, dates naive UTC datetime64[us] (a date that is none is NaT), texts and
lists objects as they came.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from data.normalise import fold
from data.tables import Kind, TableSpec

UNREADABLE = int(np.iinfo(np.int64).min)
UNREADABLE_RATING = np.float32(np.inf)
_LARGEST = int(np.iinfo(np.int64).max)

Cells = Sequence[Any]


def _missing(cell: Any) -> bool:
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and cell != cell)


def _whole(cell: Any) -> int:
    try:
        number = int(cell)
    except (TypeError, ValueError, OverflowError):
        return UNREADABLE
    return number if -_LARGEST <= number <= _LARGEST else UNREADABLE


def _rating(cell: Any) -> float:
    try:
        return float("nan") if _missing(cell) else float(cell)
    except (TypeError, ValueError, OverflowError):
        return float(UNREADABLE_RATING)


def _moment(cell: Any) -> Any:
    if type(cell) is int and abs(cell) < _LARGEST:
        return np.datetime64(cell, "us")
    return cell if isinstance(cell, str | date | np.datetime64) else None


def whole_numbers(cells: Cells) -> "pd.Series[Any]":
    """Int64: NA for NULL, `UNREADABLE` for what is no number or does not fit; fractions are cut off."""
    try:
        with np.errstate(invalid="ignore"):  # pandas compares after the cast and raises
            return pd.Series(pd.array(cells, dtype="Int64"))
    except (TypeError, ValueError, OverflowError):
        missing = np.array([_missing(cell) for cell in cells], dtype=bool)
        values = np.array([0 if gone else _whole(cell) for cell, gone in zip(cells, missing, strict=True)], np.int64)
        return pd.Series(pd.arrays.IntegerArray(values, missing))


def ratings(cells: Cells) -> "pd.Series[Any]":
    """float32: NaN for NULL, infinity for what is no number or far too large."""
    with np.errstate(over="ignore"):
        try:
            return pd.Series(np.array(cells, dtype=np.float32))
        except (TypeError, ValueError, OverflowError):
            return pd.Series(np.array([_rating(cell) for cell in cells], dtype=np.float32))


def times(cells: Cells) -> "pd.Series[Any]":
    """datetime64[us] in naive UTC from microseconds since 1970, ISO-8601 text or datetimes; NaT for anything else."""
    if all(cell is None or type(cell) is int for cell in cells):
        whole = whole_numbers(cells)
        values = whole.to_numpy(dtype=np.int64, na_value=UNREADABLE)  # numpy's NaT is the smallest int64
        return pd.Series(values.view("datetime64[us]"))
    moments = [_moment(cell) for cell in cells]
    try:
        parsed = pd.to_datetime(pd.Series(moments, dtype=object), errors="coerce", utc=True, format="ISO8601")
    except (OverflowError, ValueError):
        parsed = pd.Series(pd.NaT, index=range(len(cells))).dt.tz_localize("UTC")
    return parsed.dt.tz_localize(None).astype("datetime64[us]")


def texts(cells: Cells) -> "pd.Series[Any]":
    """Objects as they came; bytes are read as UTF-8."""
    decoded = [cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell for cell in cells]
    return pd.Series(decoded, dtype=object)


def words(cells: Cells) -> "pd.Series[Any]":
    """A category of folded words; NULL stays missing."""
    known = {cell: fold(cell) for cell in {c for c in cells if isinstance(c, str)}}
    found = [known.get(cell) if isinstance(cell, str) else None for cell in cells]
    return pd.Series(pd.Categorical(found, categories=pd.Index(sorted(set(known.values())), dtype="str")))


CONVERTERS: Mapping[Kind, Callable[[Cells], "pd.Series[Any]"]] = {
    Kind.ID: whole_numbers,
    Kind.COUNT: whole_numbers,
    Kind.RATING: ratings,
    Kind.TEXT: texts,
    Kind.LIST: texts,
    Kind.WORD: words,
    Kind.TIME: times,
}


class TypedColumns:
    """Collects one table chunk by chunk. Rows are tuples in the order of the table's columns."""

    def __init__(self, spec: TableSpec) -> None:
        self._spec = spec
        self._chunks: list[list[pd.Series[Any]]] = []
        self.rows = 0

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Convert a chunk of rows and keep only the typed columns."""
        if rows:
            columns = zip(*rows, strict=True)
            pairs = zip(self._spec.columns, columns, strict=True)
            self.add_columns([CONVERTERS[column.kind](cells) for column, cells in pairs])

    def add_columns(self, columns: list["pd.Series[Any]"]) -> None:
        """Keep a chunk that has its types already."""
        self._chunks.append(columns)
        self.rows += len(columns[0])

    def frame(self) -> pd.DataFrame:
        """All chunks as one frame."""
        if not self._chunks:
            return pd.DataFrame({column.name: CONVERTERS[column.kind]([]) for column in self._spec.columns})
        joined = {}
        for index, column in enumerate(self._spec.columns):
            parts = [chunk[index] for chunk in self._chunks]
            is_word = column.kind is Kind.WORD
            joined[column.name] = _joined_words(parts) if is_word else pd.concat(parts, ignore_index=True)
            for chunk in self._chunks:
                chunk[index] = pd.Series(dtype=object)  # its cells are in the joined column now
        self._chunks.clear()
        return pd.DataFrame(joined, copy=False)  # of Series: arrays of objects would become pandas' own text type


def _joined_words(parts: list["pd.Series[Any]"]) -> "pd.Series[Any]":
    return pd.Series(pd.api.types.union_categoricals([part.array for part in parts], sort_categories=True))


def retyped(spec: TableSpec, frame: pd.DataFrame) -> pd.DataFrame:
    """A frame made by hand (any column types) with the types of this module; a frame of a source passes unchanged."""
    columns = {}
    for column in spec.columns:
        series = frame[column.name].reset_index(drop=True)
        columns[column.name] = (
            series if _is_typed(column.kind, series) else CONVERTERS[column.kind]([_plain(cell) for cell in series])
        )
    return pd.DataFrame(columns, copy=False)


def _is_typed(kind: Kind, series: "pd.Series[Any]") -> bool:
    expected = {Kind.RATING: "float32", Kind.TEXT: "object", Kind.LIST: "object", Kind.TIME: "datetime64[us]"}
    if kind is Kind.WORD:
        return isinstance(series.dtype, pd.CategoricalDtype)
    return str(series.dtype) == expected.get(kind, "Int64")


def _plain(cell: Any) -> Any:
    return None if _missing(cell) else cell
