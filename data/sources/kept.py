"""Rows of tables that only grow, kept on disk from one load to the next, so that the next one reads only new rows.

That is exact for a table with an AUTO_INCREMENT key whose old rows are what they were: the rows up to the last key have
the same number and, in mode `checked`, the same checksum, computed by the server over every cell that is read. Whatever
else happened (an update, a deletion, a row that was committed late) changes number or checksum, and all is read again.
Mode `trusted` compares the number alone: right for an app that never updates these rows.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.snapshot import SnapshotError, SnapshotStore
from data.tables import CONNECTIONS, INTERACTIONS, Kind, TableNames, TableSpec

logger = logging.getLogger(__name__)

GROWING = (INTERACTIONS, CONNECTIONS)
_BY_NAME = {spec.name: spec for spec in GROWING}


@dataclass(frozen=True, slots=True)
class Mark:
    """The rows up to the key `last`: how many, and the sum of their checksums (0 when it is not asked for)."""

    last: int
    rows: int
    checksum: int

    def and_then(self, more: "Mark") -> "Mark":
        """These rows and those after them."""
        return Mark(max(self.last, more.last), self.rows + more.rows, self.checksum + more.checksum)


@dataclass(frozen=True, slots=True)
class Grown:
    """One table's rows. `shape` tells their source and columns: rows of another shape are of no use."""

    shape: str
    mark: Mark
    columns: list["pd.Series[Any]"]


class KeptRows:
    """The rows below one folder. It may be removed at any time: the next load then reads all."""

    def __init__(self, folder: Path, mode: Literal["checked", "trusted"]) -> None:
        self.checked = mode == "checked"
        self._store = SnapshotStore(folder)

    def find(self, spec: TableSpec, shape: str) -> Grown | None:
        """What is kept of a table in this shape."""
        mark = self._marks().get(spec.name)
        if mark is None or mark["shape"] != shape:
            return None
        try:
            arrays = self._store.open_current().arrays
        except SnapshotError as error:
            logger.warning("kept rows are of no use and all are read: %s", error)
            return None
        columns = [_series(column.kind, f"{spec.name}.{column.name}", arrays) for column in spec.columns]
        return Grown(shape, Mark(mark["last"], mark["rows"], mark["checksum"]), columns)

    def keep(self, tables: Mapping[str, Grown], as_of: str) -> None:
        """Keep these tables' rows in the place of what was kept. A disk that refuses only costs the next load time."""
        marks = {name: {"shape": grown.shape, **asdict(grown.mark)} for name, grown in tables.items()}
        if not marks or marks == self._marks():
            return
        arrays: dict[str, NDArray[Any]] = {}
        for name, grown in tables.items():
            for column, cells in zip(_BY_NAME[name].columns, grown.columns, strict=True):
                arrays |= _arrays(column.kind, f"{name}.{column.name}", cells)
        try:
            self._store.publish(arrays, {"as_of": as_of, "marks": marks})
            self._store.prune(1)
        except (SnapshotError, OSError) as error:
            logger.warning("rows are not kept, the next load reads all: %s", error)

    def _marks(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._store.current_details().get("marks", {})
        return found


def shape_of(spec: TableSpec, names: TableNames, found: Mapping[str, str], about: tuple[object, ...]) -> str:
    """A text that differs when the source (`about`), a name or a column's type (`found`) differs."""
    columns = [names.column(spec.name, column.name) for column in spec.columns]
    return json.dumps([*about, names.table(spec.name), [(name, found.get((name or "").lower())) for name in columns]])


def mark_sql(spec: TableSpec, names: TableNames, key: str, checked: bool) -> str:
    """The statement for a mark of all rows: the largest key, the number, the sum of the rows' checksums."""
    cells = [names.column(spec.name, column.name) for column in spec.columns]
    written = ", ".join(f"IFNULL(`{cell}`, '\\\\N')" for cell in (key, *filter(None, cells)))
    checksum = f"SUM(CRC32(CONCAT_WS('|', {written})))" if checked else "0"
    return f"SELECT COALESCE(MAX(`{key}`), 0), COUNT(*), COALESCE({checksum}, 0) FROM `{names.table(spec.name)}`"


def _arrays(kind: Kind, name: str, cells: "pd.Series[Any]") -> dict[str, NDArray[Any]]:
    if kind is Kind.WORD:
        words = np.array(cells.cat.categories.tolist(), dtype=np.str_)
        return {name: cells.cat.codes.to_numpy(), f"{name}.words": words}
    if kind in (Kind.ID, Kind.COUNT):
        return {name: cells.to_numpy(dtype=np.int64, na_value=0), f"{name}.null": cells.isna().to_numpy()}
    return {name: cells.to_numpy()}


def _series(kind: Kind, name: str, arrays: Mapping[str, NDArray[Any]]) -> "pd.Series[Any]":
    values = arrays[name]
    if kind is Kind.WORD:
        words = pd.Index(arrays[f"{name}.words"].tolist(), dtype="str")
        return pd.Series(pd.Categorical.from_codes(values, categories=words))
    if kind in (Kind.ID, Kind.COUNT):
        return pd.Series(pd.arrays.IntegerArray(values, arrays[f"{name}.null"]))
    return pd.Series(values)
