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

from data.sources.base import LoadError
from data.sources.decoder import BrokenRowsError, Columns, Decoder, ServerError
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
    and never beyond `config.deadline_seconds` in all.
    """

    def __init__(self, config: MySQLConfig, *, names: TableNames | None = None, tunnel: Tunnel | None = None) -> None:
        self._config = config
        self._names = names or TableNames()
        self._tunnel = tunnel

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
                return _Load(connection, config, self._names, deadline).run()
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

    def run(self) -> Tables:
        """Check the schema, open the snapshot, read the tables."""
        with self._translated("the database"):
            check_schema(self._schema(), self._names)
            as_of = self._open_snapshot()
        frames = {spec.name: self._read(spec) for spec in TABLES}
        return finished(frames, as_of, f"mysql {self._config.address}/{self._config.db}")

    def _schema(self) -> Schema:
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
        table = self._names.table(spec.name)
        columns = TypedColumns(spec)
        with self._translated(f"table {table}"):
            for chunk in self._stream(spec):
                columns.add_columns(chunk)
            expected = int(self._rows(f"SELECT COUNT(*) FROM `{table}`")[0][0])
        if columns.rows != expected:
            raise _DisturbedError(f"table {table}: {columns.rows} of {expected} rows came over the line")
        check_filled(spec, columns.rows, self._names)
        return columns.frame()

    def _stream(self, spec: TableSpec) -> Iterator[Columns]:
        with streaming(self._connection, select(spec, self._names, AROUND)) as (sequence, read):
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
