"""The sink over any of the two databases; what differs between them is a `Dialect`."""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from operator import attrgetter, methodcaller
from threading import RLock
from typing import Any, Protocol, TypeVar

from tracking.decisions import Decision, pack_features, pack_items, unpack_features, unpack_items
from tracking.events import Event
from tracking.log_tables import ACTIVITY_LOG, FEED_LOG, TABLES, LogTable
from tracking.sink import Refusal, SinkUnavailableError
from tracking.times import of_sql, to_sql

log = logging.getLogger(__name__)

Row = tuple[Any, ...]
Result = TypeVar("Result")
CHUNKS = {ACTIVITY_LOG.name: 2500, FEED_LOG.name: 250}
MOST_IDS, IDLE_SECONDS = 500, 30.0
NO_SUCH_TABLE = 1146  # in MySQL; the embedded database makes its tables itself
ROW_ERRORS = (UnicodeError, OverflowError, TypeError, ValueError)


class Cursor(Protocol):
    """The part of a DB-API cursor that is used."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any: ...
    def executemany(self, sql: str, parameters: Any, /) -> Any: ...
    def fetchall(self) -> Any: ...


class Connection(Protocol):
    """The part of a DB-API connection that is used; it must not commit by itself."""

    def cursor(self) -> Any: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What differs between databases.

    Parameters
    ----------
    mysql : which words of `log_tables` to use
    placeholder : of a parameter
    insert : writes rows of a table into the columns `names`: (cursor, sql up to VALUES, rows, the clause `keep`)
    keep : the clause of an insert that leaves a row with the same key as it is; `{key}` is the key column
    errors : the driver's base error
    refused : whether an error is about a row's values, not about the database
    exclusive : a context in which this connection alone inserts into a table, until after its commit
    """

    mysql: bool
    placeholder: str
    insert: Callable[[Any, str, Sequence[Row], str], None]
    keep: str
    errors: type[Exception]
    refused: Callable[[Exception], bool]
    exclusive: Callable[[Any, str], AbstractContextManager[None]]


class SqlSink:
    """The logs in an SQL database. `connect` opens a connection that does not commit by itself.

    The connection is opened when needed and dropped after any error but a refused row, so a tunnel or a server may
    come and go; one that was not used for `IDLE_SECONDS` is opened anew. Methods may be called from several threads;
    they take turns.
    """

    def __init__(self, connect: Callable[[], Connection], dialect: Dialect) -> None:
        self._connect, self._dialect, self._lock = connect, dialect, RLock()
        self._connection: Connection | None = None
        self._used_at = 0.0

    def create_tables(self) -> None:
        """Create what is absent."""
        for table in TABLES:
            for statement in table.create(mysql=self._dialect.mysql):
                self._run(methodcaller("execute", statement))

    def write_activities(self, events: Sequence[Event]) -> list[Refusal]:
        """Write what is new; see `Sink`."""
        return self._write(ACTIVITY_LOG, [_event_row(event) for event in events])

    def write_decisions(self, decisions: Sequence[Decision]) -> list[Refusal]:
        """Write what is new; see `Sink`."""
        return self._write(FEED_LOG, [_decision_row(decision) for decision in decisions])

    def activities_after(self, row: int, limit: int) -> list[tuple[int, Event]]:
        """The next activities; see `Sink`."""
        sql = f"{_select(ACTIVITY_LOG)} WHERE id > {int(row)} ORDER BY id LIMIT {int(limit)}"
        return [(found[0], _event_of(found[1:])) for found in self._read(sql)]

    def feeds_after(self, row: int, limit: int) -> list[tuple[int, str]]:
        """The next feeds; see `Sink`."""
        sql = f"SELECT id, feed_id FROM feed_log WHERE id > {int(row)} ORDER BY id LIMIT {int(limit)}"
        return [(int(found[0]), str(found[1])) for found in self._read(sql)]

    def activities_of(self, feed_ids: Collection[str], up_to: int) -> list[tuple[int, Event]]:
        """Activities of these feeds; see `Sink`."""
        return [(row[0], _event_of(row[1:])) for row in self._of_feeds(ACTIVITY_LOG, feed_ids, up_to)]

    def decisions_of(self, feed_ids: Collection[str], up_to: int) -> list[tuple[int, Decision]]:
        """Records of these feeds; see `Sink`."""
        found = []
        for row in self._of_feeds(FEED_LOG, feed_ids, up_to):
            try:
                found.append((int(row[0]), _decision_of(row[1:])))
            except ROW_ERRORS as error:
                log.error("feed_log row %s cannot be read and is passed over: %s", row[0], error)
        return found

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._drop()

    def _of_feeds(self, table: LogTable, feed_ids: Collection[str], up_to: int) -> list[Row]:
        found: list[Row] = []
        wanted = sorted(feed_ids)
        for start in range(0, len(wanted), MOST_IDS):
            part = wanted[start : start + MOST_IDS]
            marks = ", ".join([self._dialect.placeholder] * len(part))
            sql = f"{_select(table)} WHERE feed_id IN ({marks}) AND id <= {int(up_to)} ORDER BY id"
            found += self._read(sql, part)
        return found

    def _write(self, table: LogTable, rows: list[Row]) -> list[Refusal]:
        refusals: list[Refusal] = []
        size = CHUNKS[table.name]
        for start in range(0, len(rows), size):
            self._insert(table, rows[start : start + size], start, refusals)
        return refusals

    def _insert(self, table: LogTable, rows: list[Row], start: int, refusals: list[Refusal]) -> None:
        """Write rows in one transaction; when a row is refused, halve until it is alone, and note it."""
        names = ", ".join(f"`{name}`" for name in table.names)
        into = f"INSERT INTO `{table.name}` ({names}) VALUES "
        keep = self._dialect.keep.format(key=table.key)
        try:
            self._run(lambda cursor: self._dialect.insert(cursor, into, rows, keep), exclusive=table.name)
        except _RefusedError as error:
            if len(rows) == 1:
                log.warning("%s refused a row: %s", table.name, error)
                refusals.append(Refusal(start, str(error)))
                return
            half = len(rows) // 2
            self._insert(table, rows[:half], start, refusals)
            self._insert(table, rows[half:], start + half, refusals)

    def _read(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        def rows(cursor: Cursor) -> list[Row]:
            cursor.execute(sql, tuple(parameters))
            return list(cursor.fetchall())

        return self._run(rows)

    def _run(self, work: Callable[[Cursor], Result], exclusive: str = "") -> Result:
        """One transaction, its error told apart: a refused row, or a database that is not available."""
        with self._lock:
            connection = self._connected()
            try:
                cursor = connection.cursor()
                with self._dialect.exclusive(cursor, exclusive) if exclusive else nullcontext():
                    result = work(cursor)
                    connection.commit()
                return result
            except (self._dialect.errors, OSError, SinkUnavailableError, *ROW_ERRORS) as error:
                if isinstance(error, ROW_ERRORS) or self._dialect.refused(error):
                    self._roll_back(connection)
                    raise _RefusedError(_reason(error)) from error
                self._drop()
                raise SinkUnavailableError(_reason(error)) from error

    def _connected(self) -> Connection:
        if time.monotonic() - self._used_at > IDLE_SECONDS:
            self._drop()
        self._used_at = time.monotonic()
        if self._connection is None:
            try:
                self._connection = self._connect()
            except Exception as error:  # whatever a tunnel or a driver says, the database cannot be reached
                raise SinkUnavailableError(_reason(error)) from error
        return self._connection

    def _roll_back(self, connection: Connection) -> None:
        try:
            connection.rollback()
        except (self._dialect.errors, OSError):
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(self._dialect.errors, OSError):
                connection.close()


class _RefusedError(Exception):
    """The database refuses a row of the statement."""


def _reason(error: Exception) -> str:
    text = ": ".join(str(part) for part in error.args) or type(error).__name__
    hint = "; run `talentfeed db init`" if error.args[:1] == (NO_SUCH_TABLE,) else ""
    return " ".join(text.split())[:300] + hint


def _select(table: LogTable) -> str:
    return f"SELECT id, {', '.join(f'`{name}`' for name in table.names)} FROM `{table.name}`"


_event_values = attrgetter(*ACTIVITY_LOG.names)
_TIMESTAMP = ACTIVITY_LOG.names.index("timestamp")


def _event_row(event: Event) -> Row:
    values: Row = _event_values(event)
    return (*values[:_TIMESTAMP], to_sql(event.timestamp), *values[_TIMESTAMP + 1 :])


def _event_of(row: Row) -> Event:
    values = dict(zip(ACTIVITY_LOG.names, row, strict=True))
    return Event(**values | {"timestamp": of_sql(values["timestamp"])})


def _decision_row(decision: Decision) -> Row:
    plain = (decision.snapshot_id, decision.policy_version, decision.seed)
    packed = (pack_items(decision.shown), pack_features(decision.features))
    return (decision.feed_id, decision.user_id, decision.session_id, to_sql(decision.served_at), *plain, *packed)


def _decision_of(row: Row) -> Decision:
    values = dict(zip(FEED_LOG.names, row, strict=True))
    shown, features = unpack_items(values.pop("items")), unpack_features(values.pop("features"))
    return Decision(**values | {"served_at": of_sql(values["served_at"])}, shown=shown, features=features)
