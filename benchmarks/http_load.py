"""A load generator that leaves the server its core: raw sockets with keep-alive on uvloop, no HTTP library.

Connections either ask again as soon as they are answered (how much can it do), or at a fixed pace (how long does it
take); a latency then counts from when the request was due, so that a server that stalls does not look fast.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import numpy as np
import uvloop

PAGES = 3
"""Feeds of one session before the next viewer comes."""
PATIENCE = 10.0
"""Seconds after its end that a run waits for its last answers."""


@dataclass(slots=True)
class Outcome:
    """What a run saw: latencies in seconds, answers that were not 200, bytes of one body, and the run's length."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failures: int = 0
    body: bytes = b""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """A latency, in milliseconds, that `share` percent of the requests did not exceed."""
        return float(np.percentile(self.latencies, share)) * 1e3


def run(port: int, *, seconds: float, connections: int = 16, rate: float | None = None, users: int = 2_000) -> Outcome:
    """Ask for feeds on 127.0.0.1:`port` for so long; `rate` a second in all, or as many as are answered."""
    return uvloop.run(_run(port, seconds, connections, rate, itertools.cycle(range(1, users + 1))))


async def _run(port: int, seconds: float, connections: int, rate: float | None, viewers: Iterator[int]) -> Outcome:
    loop, outcome = asyncio.get_running_loop(), Outcome()
    begin = time.perf_counter()
    opened = []
    for number in range(connections):
        pace = None if rate is None else Pace(begin + 0.05 + number / rate, connections / rate)
        connection = Connection(outcome, viewers, begin + seconds, pace)
        await loop.create_connection(partial(_same, connection), "127.0.0.1", port)
        opened.append(connection)
    await asyncio.wait_for(asyncio.gather(*(connection.done for connection in opened)), seconds + PATIENCE)
    outcome.seconds = time.perf_counter() - begin
    return outcome


def _same(made: "Connection") -> "Connection":
    return made


@dataclass(slots=True)
class Pace:
    """When one connection's next request is due, and the seconds between two."""

    due: float
    interval: float


class Connection(asyncio.Protocol):
    """One viewer after another, `PAGES` feeds each."""

    def __init__(self, outcome: Outcome, viewers: Iterator[int], end: float, pace: Pace | None) -> None:
        self._outcome, self._viewers, self._end, self._pace = outcome, viewers, end, pace
        self._buffer, self._wanted = bytearray(), 0
        self._page, self._user, self._session = 0, 0, b"null"
        self._asked = 0.0
        self._loop = asyncio.get_running_loop()
        self.done = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self._outcome.failures += 1
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._wanted:
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            at = self._buffer.lower().find(b"content-length:", 0, head)
            self._wanted = head + 4 + int(self._buffer[at + 15 : self._buffer.find(b"\r\n", at)])
        if len(self._buffer) >= self._wanted:
            self._answered()

    def _answered(self) -> None:
        self._outcome.latencies.append(time.perf_counter() - self._asked)
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            self._outcome.failures += 1
        if not self._outcome.body:
            self._outcome.body = bytes(self._buffer[self._buffer.find(b"\r\n\r\n") + 4 :])
        at = self._buffer.find(b'"session_id":') + 13
        self._session = bytes(self._buffer[at : self._buffer.find(b",", at)])
        self._page += 1
        self._buffer.clear()
        self._wanted = 0
        self._next()

    def _next(self) -> None:
        now = time.perf_counter()
        due = self._pace.due if self._pace else now
        if max(now, due) >= self._end:
            self.done.set_result(None)
            self._transport.close()
        elif due > now:
            self._loop.call_later(due - now, self._ask)
        else:
            self._ask()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        if self._pace:
            self._asked = self._pace.due
            self._pace.due += self._pace.interval
        if self._page % PAGES == 0:
            self._user, self._session = next(self._viewers), b"null"
        body = b'{"user_id":%d,"session_id":%s}' % (self._user, self._session)
        self._transport.write(
            b"POST /v1/feed HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )
