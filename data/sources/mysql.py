"""The five tables from MySQL or MariaDB: one consistent snapshot, streamed, within one deadline."""

import logging
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any

import pandas as pd
import pymysql
from pymysql.constants import CR, ER

from data.folding import nothing
from data.growth import Growth, Mark
from data.sources.base import LoadError
from data.sources.decoder import BrokenRowsError, Columns, Decoder, ServerError
from data.sources.kept import GROWING, KeptRows, mark_sql, shape_of
from data.sources.mysql_connection import (
    Connection,
    MySQLConfig,
    UnreachableError,
    connected,
    error_code,
    from_packet,
    streaming,
)
from data.sources.sql import Schema, check_filled, check_schema, finished, select
from data.tables import TABLES, Kind, TableNames, Tables, TableSpec
from data.tunnel import Tunnel, TunnelError
from data.typed import TypedColumns

logger = logging.getLogger(__name__)

MOST_CHARACTERS = 100_000  # of a text; a row of twelve then has less than the 16 MiB of one packet
AROUND = {
    Kind.TIME: "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {})",  # NULL for zero and impossible dates
    **dict.fromkeys((Kind.TEXT, Kind.LIST, Kind.WORD), f"LEFT({{}}, {MOST_CHARACTERS})"),
}
PASSING = frozenset(
    {ER.TABLE_DEF_CHANGED, ER.NO_SUCH_TABLE, ER.BAD_FIELD_ERROR, ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK}
    | {ER.SERVER_SHUTDOWN, CR.CR_SERVER_LOST, CR.CR_SERVER_GONE_ERROR, 0, 1927}  # 1927: MariaDB's "killed"
)
OUT_OF_TIME = frozenset({ER.QUERY_TIMEOUT, ER.STATEMENT_TIMEOUT})
NO_RIGHT = frozenset({ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR})


class _DisturbedError(Exception):
    """A load was disturbed by something that passes."""


class MySQLSource:
    """Loads from `config`'s database, through `tunnel` when there is one (its local end replaces host and port).

    A load that another's TRUNCATE, ALTER or a lost connection disturbs is begun anew, `config.attempts` times at most
    and never beyond `config.deadline_seconds` in all. With `kept` rows, only new interactions and connections are read,
    and the tables say what they were folded into; `kept.keep` takes it from there once they are cleaned.
    """

    def __init__(
        self,
        config: MySQLConfig,
        *,
        names: TableNames | None = None,
        tunnel: Tunnel | None = None,
        kept: KeptRows | None = None,
    ) -> None:
        self._config = config
        self._names = names or TableNames()
        self._tunnel = tunnel
        self._kept = kept

    def load(self) -> Tables:
        """All five tables as of one moment. Raises `LoadError`."""
        deadline = monotonic() + self._config.deadline_seconds
        problem = "no attempt was made"
        for attempt in range(1, self._config.attempts + 1):
            config = self._reachable(deadline)
            try:
                return self._attempt(config, deadline)
            except _DisturbedError as passing:
                problem = str(passing)
                if monotonic() >= deadline:
                    break
                logger.warning("load disturbed: attempt=%d reason=%s", attempt, problem)
                sleep(min(random.uniform(0.2, 0.5) * attempt, max(deadline - monotonic(), 0.0)))
        if monotonic() >= deadline:
            raise LoadError(
                f"LOAD_DEADLINE_SECONDS: the load took longer than {self._config.deadline_seconds:g} s ({problem})"
            )
        raise LoadError(f"the load was disturbed {self._config.attempts} times, last by: {problem}")

    def _attempt(self, config: MySQLConfig, deadline: float) -> Tables:
        try:
            with connected(config, deadline) as connection:
                return _Load(connection, config, self._names, deadline).run(self._kept)
        except UnreachableError as error:
            if self._tunnel and (words := self._tunnel.state.last_error):
                raise LoadError(f"{error}; tunnel: {words}") from error
            raise

    def _reachable(self, deadline: float) -> MySQLConfig:
        if self._tunnel is None:
            return self._config
        try:
            self._tunnel.wait_up(min(self._config.connect_seconds, max(deadline - monotonic(), 0.0)))
        except TunnelError as error:
            raise LoadError(str(error)) from error
        host, port = self._tunnel.local_address
        return replace(self._config, host=host, port=port, label=f"{self._config.address} (through SSH)")


class _Load:
    """One attempt."""

    def __init__(self, connection: Connection, config: MySQLConfig, names: TableNames, deadline: float) -> None:
        self._connection = connection
        self._config = config
        self._names = names
        self._deadline = deadline
        self._kept: KeptRows | None = None
        self._schema: Schema = {}
        self._as_of = datetime.now(UTC)
        self._growth: dict[str, Growth] = {}

    def run(self, kept: KeptRows | None = None) -> Tables:
        """Open the snapshot, check the schema (a later change of it disturbs the load), read the tables."""
        self._kept = kept
        with self._translated("the database"):
            self._as_of = self._open_snapshot()
            self._schema = self._read_schema()
            check_schema(self._schema, self._names)
        frames = {spec.name: self._read(spec) for spec in TABLES}
        tables = finished(frames, self._as_of, f"mysql {self._config.address}/{self._config.db}", self._growth)
        last = {f"{name}_last": grown.mark.last for name, grown in self._growth.items()}
        return replace(tables, watermark={**tables.watermark, **last})

    def _read_schema(self) -> Schema:
        found: dict[str, dict[str, str]] = {}
        columns = "SELECT table_name, column_name, column_type FROM information_schema.columns WHERE table_schema = %s"
        for table, column, kind in self._rows(columns, self._config.db):
            found.setdefault(_text(table).lower(), {})[_text(column).lower()] = _text(kind)
        engines = "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = %s"
        ours = {self._names.table(spec.name).lower() for spec in TABLES}
        for table, engine in self._rows(engines, self._config.db):
            if engine and _text(table).lower() in ours and _text(engine).lower() != "innodb":
                logger.warning("table %s is %s, not InnoDB: it is not part of the snapshot", table, engine)
        return found

    def _open_snapshot(self) -> datetime:
        """Begin the one transaction; the server's clock. Without REPEATABLE READ the snapshot clause is ignored."""
        seconds = max(self._deadline - monotonic(), 1.0)
        for limit in (f"max_statement_time = {seconds:.0f}", f"max_execution_time = {seconds * 1000:.0f}"):
            with suppress(pymysql.OperationalError, pymysql.InternalError):  # the one is MariaDB's, the other MySQL's
                self._rows(f"SET SESSION {limit}")
        self._rows(f"SET SESSION lock_wait_timeout = {max(int(min(seconds, 15)), 1)}, time_zone = '+00:00'")
        self._rows("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self._rows("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        moment: datetime = self._rows("SELECT UTC_TIMESTAMP(6)")[0][0]
        return moment.replace(tzinfo=UTC)

    def _read(self, spec: TableSpec) -> pd.DataFrame:
        """One table; what is kept of it is not sent again, but rows that were set aside are there again, first."""
        table, columns = self._names.table(spec.name), TypedColumns(spec)
        with self._translated(f"table {table}"):
            key = self._growing_key(spec)
            old = self._old_rows(spec, key) if key else None
            if old:
                columns.add_columns([old.aside[name] for name in old.aside])
            for chunk in self._stream(spec, key, old.mark.last if old else None):
                columns.add_columns(chunk)
            mark = self._mark(spec, key, f"> {old.mark.last}" if old else None)
        fresh = columns.rows - (len(old.aside) if old else 0)
        if fresh != mark.rows:
            raise _DisturbedError(f"table {table}: {fresh} of {mark.rows} rows came over the line")
        check_filled(spec, columns.rows, self._names)
        frame = columns.frame()
        if key and self._kept:
            whole = old.mark.and_then(mark) if old else mark
            latest, folded = (old.latest, old.folded) if old else (None, nothing(spec.name))
            shape = self._shape(spec, key)
            self._growth[spec.name] = Growth(shape, whole, fresh, self._as_of, latest, folded, frame[:0])
            logger.info("table %s: %d rows kept, %d rows read", table, whole.rows - fresh, fresh)
        return frame

    def _growing_key(self, spec: TableSpec) -> str | None:
        """The AUTO_INCREMENT primary key of a table that only grows, mostly; None when nothing is to be kept of it."""
        if self._kept is None or spec not in GROWING:
            return None
        found = self._rows(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s "
            "AND extra LIKE '%%auto_increment%%' AND column_key = 'PRI' AND data_type LIKE '%%int'",
            self._config.db,
            self._names.table(spec.name),
        )
        return _text(found[0][0]) if len(found) == 1 else None

    def _old_rows(self, spec: TableSpec, key: str) -> Growth | None:
        """What is kept, when the server's rows up to its last key still are what they were, and its clock went on."""
        old = self._kept.find(spec, self._shape(spec, key)) if self._kept else None
        if old is None:
            return None
        if old.as_of <= self._as_of and self._mark(spec, key, f"<= {old.mark.last}") == old.mark:
            return old
        logger.info("table %s: old rows or the clock have changed, all are read", self._names.table(spec.name))
        return None

    def _shape(self, spec: TableSpec, key: str) -> str:
        about = (2, self._config.address, self._config.db, key, self._kept is not None and self._kept.checked)
        return shape_of(spec, self._names, self._schema[self._names.table(spec.name).lower()], about)

    def _mark(self, spec: TableSpec, key: str | None, where: str | None) -> Mark:
        """The rows of a table, or those whose key compares so, counted by the server."""
        if key is None or self._kept is None:
            return Mark(0, int(self._rows(f"SELECT COUNT(*) FROM `{self._names.table(spec.name)}`")[0][0]), 0)
        condition = f" WHERE `{key}` {where}" if where else ""
        row = self._rows(mark_sql(spec, self._names, key, self._kept.checked) + condition)[0]
        return Mark(*(int(cell) for cell in row))

    def _stream(self, spec: TableSpec, key: str | None, after: int | None) -> Iterator[Columns]:
        condition = f" WHERE `{key}` > {after}" if after is not None else ""
        order = f" ORDER BY `{key}`" if key else ""
        with streaming(self._connection, select(spec, self._names, AROUND) + condition + order) as (sequence, read):
            decoder = Decoder(spec, sequence)
            while not decoder.finished:
                yield from decoder.add(read(decoder.room()))
                if monotonic() >= self._deadline:
                    raise _DisturbedError("the time is over")

    def _rows(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        cursor = pymysql.cursors.Cursor(self._connection)
        cursor.execute(sql, arguments or None)
        return list(cursor.fetchall())

    def _translated(self, where: str) -> "_Translated":
        return _Translated(where, self._config)


class _Translated:
    """Turns what the driver raises into `_DisturbedError` or a `LoadError` that names the table or setting."""

    def __init__(self, where: str, config: MySQLConfig) -> None:
        self._where = where
        self._config = config

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, BrokenRowsError):
            raise _DisturbedError(f"{self._where}: {error}") from error
        if isinstance(error, ServerError):
            error = from_packet(error.packet)
        if not isinstance(error, pymysql.Error | OSError | AttributeError):
            return
        code, words = error_code(error), str(error.args[-1] if error.args else error)
        if code in OUT_OF_TIME:
            raise LoadError(
                f"LOAD_DEADLINE_SECONDS: {self._where}: the server stopped the load, its time is over"
            ) from error
        if code in NO_RIGHT:
            raise LoadError(f"MYSQL_USER: {self._where}: {self._config.user} may not read it ({words})") from error
        if code in PASSING:
            raise _DisturbedError(f"{self._where}: {words}") from error
        raise LoadError(f"{self._where}: {words}") from error


def _text(cell: object) -> str:
    return cell.decode() if isinstance(cell, bytes) else str(cell)
