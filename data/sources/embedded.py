"""The source without any server: the seeded catalogue in an SQLite file, made on the first start."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from data.demo import write_catalogue
from data.sources.base import LoadError
from data.sources.sql import Schema, check_filled, check_schema, finished, select
from data.tables import TABLES, TableNames, Tables
from data.typed import TypedColumns

logger = logging.getLogger(__name__)

CHUNK_ROWS = 20_000


class EmbeddedSource:
    """Reads `path`, an SQLite file with the five tables; writes the seeded catalogue there when there is none.

    The catalogue's clock stands still at the moment it was made, so that fresh videos stay fresh: `as_of` is
    `catalogue.made_at`. `clock` gives the present for a new catalogue.
    """

    def __init__(
        self, path: Path, *, seed: int = 1, clock: Callable[[], datetime], names: TableNames | None = None
    ) -> None:
        self.path = path
        self._seed = seed
        self._clock = clock
        self._names = names or TableNames()

    def load(self) -> Tables:
        """All five tables, read in one transaction. Raises `LoadError`."""
        if not self.path.exists():
            self._make()
        try:
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                connection.execute("BEGIN")
                return self._read(connection)
        except sqlite3.Error as error:
            raise LoadError(
                f"the embedded database {self.path} cannot be read ({error}): remove it to make it anew"
            ) from error

    def _make(self) -> None:
        logger.info("making the embedded catalogue: path=%s seed=%d", self.path, self._seed)
        try:
            write_catalogue(self.path, self._seed, self._clock())
        except (OSError, sqlite3.Error) as error:
            raise LoadError(f"DATA_DIR: the embedded database {self.path} cannot be written: {error}") from error

    def _read(self, connection: sqlite3.Connection) -> Tables:
        check_schema(_schema(connection), self._names)
        frames: dict[str, pd.DataFrame] = {}
        for spec in TABLES:
            columns = TypedColumns(spec)
            cursor = connection.execute(select(spec, self._names))
            while rows := cursor.fetchmany(CHUNK_ROWS):
                columns.add(rows)
            check_filled(spec, columns.rows, self._names)
            frames[spec.name] = columns.frame()
        made_at = datetime.fromisoformat(connection.execute("SELECT made_at FROM catalogue").fetchone()[0])
        as_of = made_at.replace(tzinfo=UTC)
        return finished(frames, as_of, "embedded")


def _schema(connection: sqlite3.Connection) -> Schema:
    found: dict[str, dict[str, str]] = {}
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall():
        columns = connection.execute("SELECT name, type FROM pragma_table_info(?)", (table,)).fetchall()
        found[table.lower()] = {name.lower(): kind for name, kind in columns}
    return found
