"""What was made of tables that mostly grow, kept on disk from one load to the next, so that it only takes new rows.

That is exact for a table with an AUTO_INCREMENT key whose old rows are what they were: the rows up to the last key have
the same number and, in mode `checked`, the same checksum, computed by the server over every cell that is read. Whatever
else happened (an update, a deletion, a row that was committed late) changes number or checksum, and all is read again.
Mode `trusted` compares the number alone: right for an app that never updates these rows.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.growth import Growth, Mark
from data.snapshot import Snapshot, SnapshotError, SnapshotStore
from data.tables import CONNECTIONS, INTERACTIONS, TableNames, Tables, TableSpec

logger = logging.getLogger(__name__)

GROWING = (INTERACTIONS, CONNECTIONS)
FEW = 0.02  # of all rows


class KeptRows:
    """The rows below one folder. It may be removed at any time: the next load then reads all."""

    def __init__(self, folder: Path, mode: Literal["checked", "trusted"]) -> None:
        self.checked = mode == "checked"
        self._store = SnapshotStore(folder)
        self._snapshot: Snapshot | None = None

    def find(self, spec: TableSpec, shape: str) -> Growth | None:
        """What is kept of a table in this shape; none of it is fresh."""
        try:
            kept = self._opened()
        except SnapshotError as error:
            logger.warning("kept rows are of no use and all are read: %s", error)
            return None
        found = kept.details["marks"].get(spec.name) if kept else None
        if kept is None or found is None or found["shape"] != shape:
            return None
        mark, as_of = Mark(found["last"], found["rows"], found["checksum"]), datetime.fromisoformat(found["as_of"])
        folded, aside = (_frame(f"{spec.name}.{part}", kept.arrays) for part in ("folded", "aside"))
        return Growth(shape, mark, 0, as_of, found["latest"], folded, aside)

    def keep(self, tables: Tables) -> None:
        """Keep what clean tables say of their growth in the place of what was kept, when enough of it is new.

        Few rows are read again sooner than all are written. A disk that refuses only costs the next load time.
        """
        if all(grown.fresh <= FEW * grown.mark.rows for grown in tables.growth.values()):
            return
        marks: dict[str, Any] = {}
        arrays: dict[str, NDArray[Any]] = {}
        for name, grown in tables.growth.items():
            marks[name] = {"shape": grown.shape, "as_of": grown.as_of.isoformat(), "latest": grown.latest}
            marks[name] |= asdict(grown.mark)
            arrays |= _arrays(f"{name}.folded", grown.folded) | _arrays(f"{name}.aside", grown.aside)
        try:
            self._store.publish(arrays, {"as_of": tables.as_of.isoformat(), "marks": marks})
            self._store.prune(1)
        except (SnapshotError, OSError) as error:
            logger.warning("rows are not kept, the next load reads all: %s", error)

    def _opened(self) -> Snapshot | None:
        """What is kept, read and checked once. Raises `SnapshotError`."""
        identity = self._store.current_id()
        if self._snapshot is None or self._snapshot.id != identity:
            self._snapshot = Snapshot.open(self._store.folder / identity) if identity else None
        return self._snapshot


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


def _arrays(table: str, frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """A frame as arrays: codes and words of a category, numbers and gaps of a nullable column."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, cells in frame.items():
        if isinstance(cells.dtype, pd.CategoricalDtype):
            arrays[f"{table}.{name}.words"] = np.array(cells.cat.categories.tolist(), dtype=np.str_)
            arrays[f"{table}.{name}"] = cells.cat.codes.to_numpy()
        elif isinstance(cells.dtype, pd.Int64Dtype):
            arrays[f"{table}.{name}.null"] = cells.isna().to_numpy()
            arrays[f"{table}.{name}"] = cells.to_numpy(dtype=np.int64, na_value=0)
        else:
            arrays[f"{table}.{name}"] = cells.to_numpy()
    return arrays


def _frame(table: str, arrays: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for path, values in arrays.items():
        name = path.removeprefix(f"{table}.")
        if name == path or "." in name:
            continue
        if (words := arrays.get(f"{path}.words")) is not None:
            columns[name] = pd.Categorical.from_codes(values, categories=pd.Index(words.tolist(), dtype="str"))
        elif (null := arrays.get(f"{path}.null")) is not None:
            columns[name] = pd.arrays.IntegerArray(values, null)
        else:
            columns[name] = values
    return pd.DataFrame(columns, copy=False)
