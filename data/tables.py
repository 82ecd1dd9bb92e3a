"""The five tables: their columns and types, what an app may call them instead, and the frames that hold them.

This is the only place that knows a table's or a column's name in the source (`TableNames`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from types import MappingProxyType

import pandas as pd

from data.growth import Growth

WHOLE_TYPES = frozenset({"bigint", "int", "integer", "mediumint", "smallint", "tinyint"})
NUMBER_TYPES = WHOLE_TYPES | {"decimal", "numeric", "float", "double", "real"}
TEXT_TYPES = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json"})
TIME_TYPES = frozenset({"datetime", "timestamp", "date"})


class Kind(Enum):
    """What a column holds: `words` for people, and the lower-case SQL `types` it may have in the source."""

    ID = ("a whole number", WHOLE_TYPES)
    COUNT = ("a number", NUMBER_TYPES)
    RATING = ("a number from 1 to 5", NUMBER_TYPES)
    TEXT = ("text", TEXT_TYPES)
    LIST = ("text with a list of names", TEXT_TYPES)
    WORD = ("a short text with few different values", TEXT_TYPES)
    TIME = ("a date and time", TIME_TYPES)

    def __init__(self, words: str, types: frozenset[str]) -> None:
        self.words = words
        self.types = types


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One table: its columns in order, and whether a catalogue without any row of it is of use."""

    name: str
    columns: tuple[Column, ...]
    may_be_empty: bool


def _table(name: str, /, *, may_be_empty: bool, **columns: Kind) -> TableSpec:
    return TableSpec(name, tuple(Column(column, kind) for column, kind in columns.items()), may_be_empty)


USERS = _table(
    "users", may_be_empty=False,
    id=Kind.ID, name=Kind.TEXT, city=Kind.TEXT, country=Kind.TEXT, created_at=Kind.TIME, skills=Kind.LIST,
    languages=Kind.LIST, tools=Kind.LIST, knowledge=Kind.LIST, hobbies=Kind.LIST, type_talentees=Kind.LIST,
    opencall_objective=Kind.LIST,
)  # fmt: skip
VIDEOS = _table(
    "videos", may_be_empty=False,
    id=Kind.ID, user_id=Kind.ID, video=Kind.TEXT, views=Kind.COUNT, video_skills=Kind.LIST,
    video_knowledges=Kind.LIST, video_tools=Kind.LIST, video_languages=Kind.LIST, role_objectives=Kind.LIST,
    created_at=Kind.TIME, description=Kind.TEXT, exhibited_count=Kind.COUNT,
)  # fmt: skip
INTERACTIONS = _table(
    "interactions", may_be_empty=True,
    user_id=Kind.ID, video_id=Kind.ID, rating=Kind.RATING, created_at=Kind.TIME, interaction_type=Kind.WORD,
)  # fmt: skip
CONNECTIONS = _table(
    "connections", may_be_empty=True,
    user_id=Kind.ID, connected_user_id=Kind.ID, status=Kind.WORD, created_at=Kind.TIME,
)  # fmt: skip
FLOWS = _table(
    "flows", may_be_empty=True,
    id=Kind.ID, user_id=Kind.ID, video=Kind.TEXT, name=Kind.TEXT, description=Kind.TEXT, created_at=Kind.TIME,
)  # fmt: skip
TABLES: tuple[TableSpec, ...] = (USERS, VIDEOS, INTERACTIONS, CONNECTIONS, FLOWS)


@dataclass(frozen=True, slots=True)
class TableNames:
    """What the source calls our tables and columns; whatever is not named has our own name.

    `names` maps `table` or `table.column` to the source's name; an empty name says that the source lacks that column,
    which is then NULL in every row.
    """

    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        known = {spec.name for spec in TABLES} | {f"{spec.name}.{c.name}" for spec in TABLES for c in spec.columns}
        tables, problems = ", ".join(spec.name for spec in TABLES), []
        for ours, theirs in self.names.items():
            if ours not in known:
                problems.append(f"{ours} is not a table or a table.column of: {tables}")
            elif "`" in theirs or '"' in theirs or (not theirs and "." not in ours):
                problems.append(f"{ours}: {theirs!r} cannot be the name of a table or column")
        if problems:
            raise ValueError("; ".join(problems))

    @classmethod
    def parse(cls, text: str) -> "TableNames":
        """Names from a setting's text; `ValueError` names all bad parts.

        >>> TableNames.parse("users=members, users.city=town, videos.role_objectives=").column("users", "city")
        'town'
        """
        names: dict[str, str] = {}
        problems = []
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            ours, equals, theirs = part.partition("=")
            if equals:
                names[ours.strip()] = theirs.strip()
            else:
                problems.append(f"{part!r} should be table=name or table.column=name")
        try:
            found = cls(names)
        except ValueError as error:
            raise ValueError("; ".join([*problems, str(error)])) from None
        if problems:
            raise ValueError("; ".join(problems))
        return found

    def table(self, table: str) -> str:
        """The source's name of a table."""
        return self.names.get(table, table)

    def column(self, table: str, column: str) -> str | None:
        """The source's name of a column; None when the source lacks it."""
        return self.names.get(f"{table}.{column}", column) or None


@dataclass(frozen=True, slots=True)
class Tables:
    """The five tables at one point in time.

    `as_of` is the source's clock at that point (aware, UTC); `source` says where they come from, without secrets;
    `quarantine` counts rows left out, table -> reason -> rows; `watermark` says up to where the source was read;
    `growth` has the rows of earlier loads that are not in the raw frames, and what the next load may start from.
    """

    users: pd.DataFrame
    videos: pd.DataFrame
    interactions: pd.DataFrame
    connections: pd.DataFrame
    flows: pd.DataFrame
    as_of: datetime
    source: str
    quarantine: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    watermark: Mapping[str, object] = field(default_factory=dict)
    growth: Mapping[str, Growth] = field(default_factory=dict)

    def with_frames(self, frames: Mapping[str, pd.DataFrame]) -> "Tables":
        """The same point in time with other frames, one for each table."""
        return replace(
            self,
            users=frames["users"],
            videos=frames["videos"],
            interactions=frames["interactions"],
            connections=frames["connections"],
            flows=frames["flows"],
        )

    def rows(self, table: str) -> int:
        """How many rows of the source stand in a clean table; each pair of connected people counts once."""
        frame: pd.DataFrame = getattr(self, table)
        return int(frame["rows"].sum()) if "rows" in frame else len(frame)
