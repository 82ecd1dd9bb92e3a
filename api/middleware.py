"""Pure ASGI layers around the application: request id and last resort, body limit, rate limit."""

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.routing import Route

from api import errors, metrics
from api.identifiers import request_name
from api.logs import request_id

logger = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_LIMIT = 1_048_576
DISCARD_BYTES, DISCARD_SECONDS = 8 * BODY_LIMIT, 1.0
CLIENT_CLOSED = 499
"""Counted for a request whose client went away before the answer; nobody is there to read it."""
NEVER_LIMITED = frozenset({"/livez", "/readyz", "/health", "/metrics"})
METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}").fullmatch


class _Started:
    """Whether and how an answer started, and when the request came."""

    __slots__ = ("at", "status")

    def __init__(self) -> None:
        self.at, self.status = time.perf_counter(), 0


class RequestEnvelope:
    """Outermost layer: gives the request its id, counts and times it, and turns what nobody caught into a problem."""

    def __init__(self, application: Application, routes: Sequence[Route] = (), access_log: bool = False) -> None:
        self._application, self._routes, self._access_log = application, routes, access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        name = identifier(scope["headers"])
        token = request_id.set(name)
        started = _Started()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", name.encode("ascii"))]
            await send(message)

        try:
            await self._application(scope, receive, send_with_id)
        except ClientDisconnect:
            logger.debug("%s %s: the client went away", scope["method"], scope["path"])
            started.status = CLIENT_CLOSED  # starlette has "sent" a 500 to nobody
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            if not started.status:
                await errors.respond(errors.ProblemError(500))(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - started.at
            account(scope["method"], scope["path"], self._route(scope), started.status, seconds, self._access_log)
            request_id.reset(token)

    def _route(self, scope: Scope) -> str:
        """The address as it is counted, also of a request that was refused before it came to its route."""
        if found := scope.get("route"):
            return str(found.path)
        path = scope["path"]
        return next((route.path for route in self._routes if route.path_regex.match(path)), "other")


def account(method: str, path: str, route: str, status: int, seconds: float, access_log: bool) -> None:
    """Count one answered request, and log it if that is wanted."""
    metrics.observe_request(method if method in METHODS else "other", route, status, seconds)
    if access_log:
        logger.info("%s %s %d %.1f ms", method, path, status, seconds * 1000)


def identifier(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """The request's id: the client's, when it is sane, or a new one."""
    for name, value in headers:
        if name == b"x-request-id":
            text: str = value.decode("latin-1")
            if _SANE_ID(text):
                return text
    return request_name()


class BodyLimit:
    """413 for a body over 1 MiB, told by its length at once or, chunked, as soon as the limit is passed."""

    def __init__(self, application: Application, limit: int = BODY_LIMIT) -> None:
        self._application, self._limit = application, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if declared.isdigit() and whole(declared) > self._limit:
            await errors.respond(errors.ProblemError(413))(scope, receive, _closing(receive, send))
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise errors.ProblemError(413)
            return message

        async def answer(message: Message) -> None:
            await (_closing(receive, send) if received > self._limit else send)(message)

        await self._application(scope, limited, answer)


def whole(digits: bytes) -> int:
    """A number of any length; what is longer than twenty digits is cut, and still larger than any that is meant.

    >>> whole(b"0" * 5000 + b"12")
    12
    """
    return int(digits.lstrip(b"0")[:20] or b"0")


class HeadAsGet:
    """Answers HEAD like GET; the server leaves the body out. Balancers and probes ask that way."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._application(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}
        await self._application(asked, receive, send)
        if "route" in asked:
            scope["route"] = asked["route"]


def _closing(receive: Receive, send: Send) -> Send:
    """A `send` that reads on a little before it ends the answer: a client cut off while sending may never read it."""

    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        elif not message.get("more_body"):
            await send({**message, "more_body": True})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_discard(receive), DISCARD_SECONDS)
            message = {"type": "http.response.body", "body": b""}
        await send(message)

    return closing


async def _discard(receive: Receive) -> None:
    left = DISCARD_BYTES
    while left > 0:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return
        left -= len(message.get("body", b""))


class RateLimit:
    """429 for an address that sends more than `per_second` requests a second to this worker (token bucket).

    The address is the connection's, or what a proxy of FORWARDED_ALLOW_IPS says of it. Whoever watches the service is
    never limited.
    """

    def __init__(self, application: Application, per_second: int) -> None:
        self._application, self._rate = application, float(per_second)
        self._buckets: dict[str, tuple[float, float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watching = scope["type"] != "http" or scope["path"] in NEVER_LIMITED
        if watching or self._take((scope.get("client") or ("",))[0], time.monotonic()):
            await self._application(scope, receive, send)
            return
        await errors.respond(errors.ProblemError(429, retry_after=1))(scope, receive, send)

    def _take(self, address: str, now: float) -> bool:
        if len(self._buckets) > 10_000:
            self._buckets.clear()
        tokens, last = self._buckets.get(address, (self._rate, now))
        tokens = min(self._rate, tokens + (now - last) * self._rate)
        self._buckets[address] = (tokens - 1 if tokens >= 1 else tokens, now)
        return tokens >= 1
