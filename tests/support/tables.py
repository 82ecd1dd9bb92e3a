"""Tiny raw tables written as rows of dictionaries; columns that a row does not name are NULL."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from data.tables import TABLES, Tables

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
Rows = Sequence[Mapping[str, Any]]


def raw_tables(as_of: datetime = NOW, **rows: Rows) -> Tables:
    """Raw tables from rows: `raw_tables(users=[{"id": 1}], videos=[{"id": 5, "user_id": 1, "video": "https://v"}])`."""
    frames = {}
    for spec in TABLES:
        given = rows.get(spec.name, ())
        names = [column.name for column in spec.columns]
        for row in given:
            assert set(row) <= set(names), f"{spec.name} has no column {set(row) - set(names)}"
        cells = {name: pd.Series([row.get(name) for row in given], dtype=object) for name in names}
        frames[spec.name] = pd.DataFrame(cells)
    return Tables(**frames, as_of=as_of, source="test")
