"""One connection of a load to MySQL or MariaDB: opened with limits, closed by force when its time is over."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from io import BufferedReader
from time import monotonic
from typing import Any, TypeAlias, TypeVar

import pymysql
from pymysql.constants import CR, ER
from pymysql.cursors import Cursor, SSCursor
from pymysql.err import raise_mysql_exception

from data.sources.base import LoadError

READ_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class MySQLConfig:
    """How to reach the database and how long a load may take. Times are in seconds.

    `deadline_seconds` bounds a whole load with all its attempts; `read_seconds` bounds one silence of the server.
    `label` is what messages call the address (a tunnel's end is a meaningless local port).
    """

    host: str
    user: str
    db: str
    port: int = 3306
    password: str = field(default="", repr=False)
    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    deadline_seconds: float = 120.0
    attempts: int = 5
    label: str = ""

    @property
    def address(self) -> str:
        """The address for people."""
        return self.label or f"{self.host}:{self.port}"


class UnreachableError(LoadError):
    """No connection can be opened."""


Connection: TypeAlias = "pymysql.connections.Connection[SSCursor]"
AnyCursor = TypeVar("AnyCursor", bound=Cursor)
Read: TypeAlias = Callable[[memoryview], int]


@contextmanager
def connected(config: MySQLConfig, deadline: float) -> Iterator[Connection]:
    """A connection whose socket is cut at `deadline` (of `time.monotonic`), whatever it is waiting for.

    Raises `LoadError` naming the setting when it cannot be opened.
    """
    link = _reach(config, min(config.connect_seconds, deadline - monotonic()))
    watchdog = threading.Timer(max(deadline - monotonic(), 0.0), _cut, [link])
    watchdog.daemon = True
    watchdog.start()
    try:
        connection = _greeted(config, link, SSCursor)
        try:
            yield connection
        finally:
            with suppress(pymysql.Error, OSError):
                connection.close()
    finally:
        watchdog.cancel()
        link.close()


def opened(config: MySQLConfig) -> "pymysql.connections.Connection[Cursor]":
    """A connection for statements with short answers, without a deadline. Raises as `connected` does."""
    return _greeted(config, _reach(config, config.connect_seconds), Cursor)


@contextmanager
def streaming(connection: Connection, sql: str) -> Iterator[tuple[int, Read]]:
    """Send a statement and leave its rows' packets on the line: the first one's number, and a function that reads bytes
    into a buffer. All rows have to be read; after an error the connection is of no use."""
    cursor = connection.cursor(SSCursor)
    try:
        cursor.execute(sql)
        inner: Any = vars(connection)
        inner["_sock"].settimeout(inner["_read_timeout"])
        yield inner["_next_seq_id"], partial(_read, inner["_rfile"])
    finally:
        result: Any = vars(cursor).get("_result")
        if result is not None:
            result.unbuffered_active = False  # or the library would wait for rows
        cursor.close()


def _read(stream: BufferedReader, room: memoryview) -> int:
    bytes_read = stream.read1(min(len(room), READ_BYTES))  # readinto1 waits although bytes are there
    if not bytes_read:
        raise pymysql.OperationalError(CR.CR_SERVER_LOST, "the connection was closed in the middle of the rows")
    room[: len(bytes_read)] = bytes_read
    return len(bytes_read)


def from_packet(packet: bytes) -> Exception:
    """The error that an error packet of the server holds."""
    try:
        raise_mysql_exception(packet)
    except pymysql.Error as error:
        return error
    return pymysql.OperationalError(CR.CR_UNKNOWN_ERROR, "the server reported an error that cannot be read")


def _cut(link: socket.socket) -> None:
    with suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


def _reach(config: MySQLConfig, seconds: float) -> socket.socket:
    try:
        link = socket.create_connection((config.host, config.port), max(seconds, 0.1))
    except OSError as error:
        raise UnreachableError(f"MYSQL_HOST:MYSQL_PORT: nothing answers at {config.address} ({error})") from error
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return link


def _greeted(
    config: MySQLConfig, link: socket.socket, cursors: "type[AnyCursor]"
) -> "pymysql.connections.Connection[AnyCursor]":
    connection = pymysql.connections.Connection(
        host=config.host,
        port=config.port,
        user=config.user,
        password=config.password,
        database=config.db,
        charset="utf8mb4",
        cursorclass=cursors,
        read_timeout=config.read_seconds,
        write_timeout=config.read_seconds,
        autocommit=None,
        defer_connect=True,
    )
    try:
        connection.connect(link)
    except (pymysql.Error, OSError, ValueError, IndexError) as error:
        raise UnreachableError(_why(config, error)) from error
    return connection


def _why(config: MySQLConfig, error: Exception) -> str:
    code, words = error_code(error), str(error.args[-1] if error.args else error)
    if code == ER.ACCESS_DENIED_ERROR:
        return f"MYSQL_USER, MYSQL_PASSWORD: {config.address} refuses user {config.user} with this password"
    if code in (ER.BAD_DB_ERROR, ER.DBACCESS_DENIED_ERROR):
        return f"MYSQL_DB: {config.address} has no database {config.db} for user {config.user}"
    if code in (ER.CON_COUNT_ERROR, ER.HOST_IS_BLOCKED, ER.HOST_NOT_PRIVILEGED):
        return f"MYSQL_HOST:MYSQL_PORT: {config.address} takes no connection from here now ({words})"
    if code in (CR.CR_SERVER_LOST, CR.CR_CONN_HOST_ERROR):
        return f"MYSQL_HOST:MYSQL_PORT: {config.address} answers, but not as MySQL, or is cut off ({words})"
    return f"MYSQL_HOST:MYSQL_PORT: {config.address} is no MySQL that can be used ({words})"


def ping(config: MySQLConfig, seconds: float = 5.0) -> None:
    """Log in and ping. Raises `TimeoutError` when the server is silent for `seconds`, `LoadError` for what it says."""
    quick = replace(config, connect_seconds=seconds, read_seconds=seconds)
    try:
        with connected(quick, monotonic() + 2 * seconds) as connection:
            connection.ping(reconnect=False)
    except (LoadError, pymysql.Error, OSError) as error:
        if "timed out" in str(error):
            raise TimeoutError(f"silent for {seconds:g} s") from error
        raise


def error_code(error: BaseException) -> int:
    """The server's or client's error number, 0 when there is none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0
