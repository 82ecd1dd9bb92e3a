"""One connection to Redis for a worker's requests: what they ask at the same time leaves and comes back together.

redis-py takes a connection, a lock, a timer and two tasks an exchange, some 200 µs of a processor; here an exchange is
a line in a queue. Replies come in the order of the commands, so the oldest exchange decides: when it has waited longer
than the limit, Redis does not answer, the connection is dropped and all that wait fail at once.
"""

import asyncio
import logging
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
import redis

from tracking.redis_client import RedisConfig
from tracking.redis_commands import Argument, Command, Script, pack

log = logging.getLogger(__name__)

Replies = list[Any]
Exchange = tuple[int, "asyncio.Future[Replies]", float]
"""Commands on their way: how many replies they wait for, who waits, and since when (loop time)."""

SECOND_LOOK, OPEN_SECONDS = 0.002, 5.0
_NOTHING = object()


class RedisLink:
    """Sends commands, in order, over one connection that is opened when it is needed. Belongs to one event loop.

    Every exchange ends within `config.timeout` seconds, opening the connection included: with its replies, or with
    `redis.RedisError`, OSError or TimeoutError. A command that Redis refuses has its error among the replies. An
    opening that takes longer (a distant Redis, TLS) goes on for `OPEN_SECONDS` without those that waited for it; why it
    failed is told to those who wait for the next one.
    """

    def __init__(self, config: RedisConfig) -> None:
        self._config, tls = config, config.tls
        self._encrypted: dict[str, Any] = {"ssl": tls.context, "server_hostname": tls.server_hostname} if tls else {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gathered: list[tuple[bytes, Exchange]] = []
        self._connection: _Connection | None = None
        self._ahead: float | None = None
        self._opening: asyncio.Task[None] | None = None
        self._refusal = ""
        """What the last opening failed of; empty after one that did not."""
        self._watch: asyncio.TimerHandle | None = None

    def send(self, commands: Sequence[Command]) -> "asyncio.Future[Replies]":
        """Send the commands now; the future has one reply a command."""
        return self.send_packed(b"".join([pack(command) for command in commands]), len(commands))

    def send_packed(self, packed: bytes, count: int) -> "asyncio.Future[Replies]":
        """Send so many commands, packed already (by a `Template`), now; the future has one reply a command."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[Replies] = loop.create_future()
        if not count:
            future.set_result([])
            return future
        exchange = (count, future, loop.time())
        if self._connection is not None:
            self._connection.send(packed, exchange)
        else:
            self._gathered.append((packed, exchange))
            if self._opening is None or self._opening.done():  # done: somebody cancelled all tasks
                self._opening = loop.create_task(self._open(loop), name="redis")
        if self._watch is None:
            self._watch = loop.call_later(self._config.timeout, self._look, loop)
        return future

    def now(self) -> float:
        """Seconds since 1970 by Redis' clock, which all machines share; by our own before the first connection."""
        return time.time() if self._ahead is None or self._loop is None else self._loop.time() + self._ahead

    async def ask(self, commands: Sequence[Command]) -> Replies:
        """The replies. Raises the first that is an error."""
        return successes(await self.send(commands))

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """What the script returns."""
        (reply,) = await self.send_packed(pack(("EVALSHA", script.name, len(keys), *keys, *arguments)), 1)
        if isinstance(reply, redis.ResponseError):
            if not str(reply).startswith("NOSCRIPT"):
                raise reply
            (reply,) = await self.ask([("EVAL", script.source, len(keys), *keys, *arguments)])
        return reply

    async def close(self) -> None:
        """Close the connection; what waits fails."""
        self._drop(redis.ConnectionError("closed"))

    async def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connect, introduce ourselves, and only then send what has gathered meanwhile: it is for this database."""
        config = self._config
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                _, made = await loop.create_connection(
                    lambda: _Connection(self._lost), config.host, config.port, **self._encrypted
                )
                await self._greet(made, loop)
        except Exception as error:
            self._opening, reason = None, self._reason(error)
            self._refusal = str(reason)
            self._drop(reason)
            return
        self._opening, self._connection, self._refusal = None, made, ""
        gathered, self._gathered = self._gathered, []
        for packed, exchange in gathered:
            made.send(packed, exchange)

    def _reason(self, error: Exception) -> redis.RedisError | OSError:
        """Why an opening failed. What nobody thought of is logged with its trace, once while it stays the same."""
        if self._config.tls and isinstance(error, ssl.SSLError):
            return self._config.tls.refused(error)
        if isinstance(error, TimeoutError):
            return TimeoutError(str(error) or f"no connection within {OPEN_SECONDS:g} s")
        if isinstance(error, redis.RedisError | OSError):
            return error
        reason = redis.ConnectionError(f"no connection can be opened: {type(error).__name__}: {error}")
        if str(reason) != self._refusal:
            log.error("redis: %s", reason, exc_info=error)
        return reason

    async def _greet(self, made: "_Connection", loop: asyncio.AbstractEventLoop) -> None:
        """Give the password and the database, and set our clock. Raises what Redis has against it."""
        config = self._config
        hello: list[Command] = [("AUTH", config.password)] if config.password else []
        hello += [("SELECT", config.db), ("TIME",)]
        greeting: asyncio.Future[Replies] = loop.create_future()
        made.send(b"".join([pack(command) for command in hello]), (len(hello), greeting, loop.time()))
        try:
            *_, clock = successes(await greeting)
            if not isinstance(clock, list):
                raise redis.InvalidResponse(f"this is not Redis: it takes {clock!r} for the time")
            seconds, microseconds = clock
            self._ahead = int(seconds) + int(microseconds) / 1e6 - loop.time()
        except BaseException as error:
            made.transport.abort()
            refusal = next((reply for reply in made.replies if isinstance(reply, redis.ResponseError)), None)
            if refusal and isinstance(error, redis.ConnectionError | OSError):  # it said why before it hung up
                raise refusal from error
            raise

    def _lost(self, connection: "_Connection", error: Exception) -> None:
        if connection is self._connection:
            self._drop(error)

    def _drop(self, error: Exception) -> None:
        """Forget the connection and fail all that wait; the next exchange opens a new one."""
        if self._opening:
            self._opening.cancel()
        if self._watch:
            self._watch.cancel()
        connection = self._connection
        self._connection = self._opening = self._watch = None
        if connection:
            connection.fail(error)
            connection.transport.abort()
        self._fail_gathered(error)

    def _fail_gathered(self, error: Exception) -> None:
        gathered, self._gathered = self._gathered, []
        for _, exchange in gathered:
            _fail(exchange, error)

    def _look(self, loop: asyncio.AbstractEventLoop, again: Exchange | None = None) -> None:
        """Has the oldest exchange waited too long? Look twice: the reply may lie unread when this loop was busy."""
        self._watch = None
        waiting = self._connection.exchanges if self._connection else [exchange for _, exchange in self._gathered]
        if not waiting:
            return
        oldest = waiting[0]
        _, _, since = oldest
        left = since + self._config.timeout - loop.time()
        if left > 0:
            self._watch = loop.call_later(left, self._look, loop)
        elif oldest is again:
            before = f"; the last opening failed: {self._refusal}" if self._refusal else ""
            late = TimeoutError(f"no answer within {self._config.timeout:g} s{before}")
            if self._connection:
                self._drop(late)
            else:
                self._fail_gathered(late)  # the opening goes on, for those to come
        else:
            self._watch = loop.call_later(SECOND_LOOK, self._look, loop, oldest)


def successes(replies: Replies) -> Replies:
    """The replies. Raises the first that is an error."""
    if redis.ResponseError in map(type, replies):  # one step for the usual case that none is
        raise next(reply for reply in replies if isinstance(reply, redis.ResponseError))
    return replies


def _fail(exchange: Exchange, error: Exception) -> None:
    """There will be no replies."""
    _, future, _ = exchange
    if not future.done():
        future.set_exception(error)


class _Connection(asyncio.Protocol):
    """Bytes out, replies in. `exchanges` are those that wait, the oldest first."""

    transport: asyncio.Transport

    def __init__(self, lost: "Callable[[_Connection, Exception], None]") -> None:
        self._lost, self._loop = lost, asyncio.get_running_loop()
        self._unwritten: list[bytes] = []
        self.exchanges: deque[Exchange] = deque()
        self._reader = hiredis.Reader(
            protocolError=redis.InvalidResponse, replyError=redis.ResponseError, notEnoughData=_NOTHING
        )
        self.replies: Replies = []
        """Those of the oldest exchange, until they are all there."""

    def send(self, packed: bytes, exchange: Exchange) -> None:
        """Send commands whose replies belong to `exchange`, in one write with what others send in this turn."""
        self.exchanges.append(exchange)
        if not self._unwritten:
            self._loop.call_soon(self._write)
        self._unwritten.append(packed)

    def _write(self) -> None:
        packed = b"".join(self._unwritten)
        self._unwritten.clear()
        if not self.transport.is_closing():
            self.transport.write(packed)

    def fail(self, error: Exception) -> None:
        """Let nobody wait any longer."""
        while self.exchanges:
            _fail(self.exchanges.popleft(), error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        wrong = None
        try:
            self.replies.extend(iter(self._reader.gets, _NOTHING))
        except redis.InvalidResponse as error:
            wrong = error
        self._give()
        if self.replies and not self.exchanges:
            wrong = redis.InvalidResponse("a reply that nobody waits for")
        if wrong is not None:
            self.connection_lost(redis.InvalidResponse(f"this is not Redis: {wrong}"))
            self.transport.abort()

    def _give(self) -> None:
        """Give the exchanges whose replies are all there what they wait for."""
        replies, exchanges, begin = self.replies, self.exchanges, 0
        while exchanges:
            wanted, future, _ = exchanges[0]
            end = begin + wanted
            if end > len(replies):
                break
            exchanges.popleft()
            if not future.done():
                future.set_result(replies[begin:end])
            begin = end
        del replies[:begin]

    def connection_lost(self, error: Exception | None) -> None:
        lost = error or redis.ConnectionError("connection closed by Redis")
        self.fail(lost)
        self._lost(self, lost)
