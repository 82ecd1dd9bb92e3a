"""A connection without a socket, and a loop whose time is the test's to move."""

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState

from api.protocol import ProblemProtocol

BODY = b'{"user_id":9,"seed":5}'


def asked(*lines: str, body: bytes = BODY, path: str = "/v1/feed") -> bytes:
    """The bytes of a request with these lines in its head."""
    head = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Link(asyncio.Transport):
    """A connection that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed = b"", False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        """Nobody sends by himself here."""

    def resume_reading(self) -> None:
        """Nobody sends by himself here."""


class Clock:
    """Stands for the running loop; its timers are due when `pass_by` has come to them."""

    def __init__(self) -> None:
        self._now = 0.0
        self._timers: dict[asyncio.Future[None], tuple[float, Callable[[], None]]] = {}

    def time(self) -> float:
        return self._now

    def create_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    def call_later(self, seconds: float, action: Callable[[], None]) -> asyncio.Future[None]:
        handle = asyncio.get_running_loop().create_future()
        self._timers[handle] = (self._now + seconds, action)
        return handle

    def pass_by(self, seconds: float) -> None:
        """So much time passes."""
        end = self._now + seconds
        while due := [(when, handle) for handle, (when, _) in self._timers.items() if when <= end]:
            self._now, handle = min(due, key=lambda one: one[0])
            _, action = self._timers.pop(handle)
            if not handle.cancelled():
                action()
        self._now = end


async def at_once(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers without reading the body."""
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def connected(feed: asyncio.Event | None = None, clock: Clock | None = None) -> tuple[ProblemProtocol, Link]:
    """A protocol without a server, whose feeds are all the same (and wait for `feed`); it needs a running loop."""

    async def answer(body: object) -> bytes:
        if feed:
            await feed.wait()
        return b"{}"

    settings = SimpleNamespace(access_log=False, rate_limit=0)
    runtime, feeds = SimpleNamespace(draining=False, settings=settings), SimpleNamespace(answer=answer)
    config = uvicorn.Config(at_once, http=ProblemProtocol, log_config=None, timeout_keep_alive=5)
    state = {"service": SimpleNamespace(runtime=runtime, feeds=feeds)}
    protocol, link = ProblemProtocol(config, ServerState(), state, cast(Any, clock)), Link()
    protocol.connection_made(link)
    return protocol, link


async def answered(protocol: ProblemProtocol) -> None:
    """Wait until nothing is being answered."""
    while protocol.tasks:
        await asyncio.sleep(0)
