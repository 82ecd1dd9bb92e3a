"""The logs in MySQL or MariaDB.

Ids are the watermark of learning, so a row must never appear behind one that was read already. InnoDB hands out an id
when a row is inserted but shows the row when its transaction commits, so two flushers could commit in the other order.
Each insert therefore runs under a named lock (GET_LOCK) that is released after the commit: ids become visible in their
order. A flusher that dies loses the lock with its connection, after its transaction was rolled back; the ids it took
stay a gap for ever. Named locks belong to one server: write to one primary, not to several of a Galera cluster.

The session is strict whatever the server's sql_mode says: a value that does not fit is an error, never cut to fit. It
ends after a while of silence (`wait_timeout`), so that a flusher behind a dead network does not keep the lock.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import Any

import pymysql
from pymysql.converters import escape_string

from tracking.sink import SinkUnavailableError
from tracking.sql_sink import IDLE_SECONDS, Connection, Cursor, Dialect, Row, SqlSink

MODE = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE', time_zone = '+00:00'"
STRICT = f"{MODE}, wait_timeout = {int(2 * IDLE_SECONDS)}"
LOCK = "SELECT GET_LOCK(SHA1(CONCAT(DATABASE(), '.', %s)), 10)"
UNLOCK = "SELECT RELEASE_LOCK(SHA1(CONCAT(DATABASE(), '.', %s)))"
ROW_CODES = frozenset({1153, 1292, 1366, 1411, 1690, 3819, 4025})
"""Longer than the server takes, wrong date or number, wrong string, wrong function value, out of range, and a failed
CHECK of MySQL or MariaDB."""


def _refused(error: Exception) -> bool:
    """Whether an error is about the values of a row."""
    if isinstance(error, pymysql.err.DataError | pymysql.err.IntegrityError):
        return True
    return isinstance(error, pymysql.err.MySQLError) and bool(error.args) and error.args[0] in ROW_CODES


@contextmanager
def _alone(cursor: Cursor, table: str) -> Iterator[None]:
    cursor.execute(LOCK, (table,))
    if cursor.fetchall()[0][0] != 1:
        raise SinkUnavailableError(f"{table}: another flusher has been writing for 10 seconds")
    try:
        yield
    finally:
        cursor.execute(UNLOCK, (table,))
        cursor.fetchall()


def _insert(cursor: Cursor, into: str, rows: Sequence[Row], keep: str) -> None:
    """One statement for all rows. The driver's own way of making it costs as much as the server's part of the work."""
    cursor.execute(into + ",".join([f"({','.join(map(_literal, row))})" for row in rows]) + " " + keep)


def _literal(value: object) -> str:
    """A value as SQL writes it; the session's sql_mode (`STRICT`) leaves the backslash its meaning."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return f"'{escape_string(value)}'"
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return repr(value)
    raise TypeError(f"{value!r} is no value of a log")


DIALECT = Dialect(
    mysql=True,
    placeholder="%s",
    insert=_insert,
    keep="ON DUPLICATE KEY UPDATE `{key}` = `{key}`",
    errors=pymysql.err.MySQLError,
    refused=_refused,
    exclusive=_alone,
)


class MySQLSink(SqlSink):
    """The logs in MySQL. `connect` gives a new pymysql connection, through a tunnel or not, with its timeouts set."""

    def __init__(self, connect: "Callable[[], pymysql.connections.Connection[Any]]") -> None:
        self._open = connect
        super().__init__(self._strict, DIALECT)

    def _strict(self) -> Connection:
        connection = self._open()
        connection.autocommit(False)
        with connection.cursor() as cursor:
            cursor.execute(STRICT)
        return connection
