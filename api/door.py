"""`POST /v1/feed` straight from the connection to the feed, past the layers of server and framework.

`FeedExchange` stands where uvicorn has a `RequestResponseCycle`, so the protocol's own rules of keep-alive, pipelining,
flow control and shutting down hold as for any other request. The route in `routes/feed.py` does the same and documents
it; it answers what is unusual (`ordinary`) and whatever runs the application without this protocol.
"""

import logging
import time
from collections.abc import Coroutine
from typing import Any, Protocol

from starlette.responses import Response
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api import errors, middleware, schemas
from api.logs import request_id
from api.services import Service

logger = logging.getLogger(__name__)
PATH = "/v1/feed"
URL = PATH.encode()
UNUSUAL = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"content-encoding"})
Headers = list[tuple[bytes, bytes]]


class Connection(Protocol):
    """What an exchange needs of the protocol that it belongs to."""

    transport: Any
    flow: FlowControl
    server_state: Any

    def on_response_complete(self) -> None:
        """The connection is free for the next request."""


def ordinary(headers: Headers) -> bool:
    """Whether the body comes in one piece of a length that is told and not too large, and nothing else is asked for."""
    length = b""
    for name, value in headers:
        if name in UNUSUAL:
            return False
        if name == b"content-length":
            length = value
    return length.isdigit() and middleware.whole(length) <= middleware.BODY_LIMIT


class _Unheard:
    """Nobody waits for what comes: the exchange starts when all is there."""

    def set(self) -> None:
        """Do nothing."""


def lines(headers: Headers) -> bytes:
    """Headers as they are sent."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def _told(answer: Response) -> tuple[int, bytes, bytes]:
    """Status, lines of the head, body."""
    return answer.status_code, lines(answer.raw_headers), bytes(answer.body)


class FeedExchange:
    """One request for a feed on a connection, and its answer."""

    __slots__ = ("_begin", "_connection", "_identifier", "_service", "begun", "body", "disconnected", "keep_alive",
                 "response_complete")  # fmt: skip
    message_event = _Unheard()

    def __init__(self, connection: Connection, service: Service, headers: Headers, keep_alive: bool) -> None:
        self._connection, self._service, self.keep_alive = connection, service, keep_alive
        self._begin, self._identifier = time.perf_counter(), middleware.identifier(headers)
        self.body, self.begun = bytearray(), False
        self.disconnected = self.response_complete = False

    @property
    def more_body(self) -> bool:
        """Whether the body is not all there."""
        return not self.begun

    def begin(self) -> Coroutine[Any, Any, None]:
        """What answers; the body is there."""
        self.begun = True
        return self._run()

    async def _run(self) -> None:
        request_id.set(self._identifier)
        connection, status = self._connection, middleware.CLIENT_CLOSED
        try:
            answered, head, body = await self._answer()
            if connection.flow.write_paused:
                await connection.flow.drain()
            if not (self.disconnected or connection.transport.is_closing()):
                status = answered
                self._write(status, head, body)
        finally:
            self.end(status)

    async def _answer(self) -> tuple[int, bytes, bytes]:
        """Status, lines of the head, body."""
        try:
            body = await self._service.feeds.answer(schemas.parse_feed(schemas.json_value(self.body)))
            return 200, b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body), body
        except errors.ProblemError as problem:
            return _told(errors.respond(problem))
        except Exception:
            logger.exception("POST %s failed", PATH)
            return _told(errors.respond(errors.ProblemError(500)))

    def _write(self, status: int, head: bytes, body: bytes) -> None:
        """All in one write: the system is asked once."""
        begin = STATUS_LINE[status] + lines(self._connection.server_state.default_headers)
        end = b"" if self.keep_alive else b"connection: close\r\n"
        self._connection.transport.write(
            b"%bx-request-id: %b\r\n%b%b\r\n%b" % (begin, self._identifier.encode("ascii"), head, end, body)
        )

    def lose(self) -> None:
        """The client is gone: a request that has not come whole is over, one that is being answered goes on."""
        if self.begun or self.response_complete:
            return
        token = request_id.set(self._identifier)
        self.end(middleware.CLIENT_CLOSED)
        request_id.reset(token)

    def end(self, status: int) -> None:
        """The request is over, answered or not: count it, and let the next one begin."""
        self.response_complete = True
        self.body.clear()  # an idle connection keeps its last exchange
        access_log = self._service.runtime.settings.access_log
        middleware.account("POST", PATH, PATH, status, time.perf_counter() - self._begin, access_log)
        if not self.keep_alive:
            self._connection.transport.close()
        self._connection.on_response_complete()
