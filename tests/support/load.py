"""A client that asks for feeds at a steady rate over a few kept connections, and notes what came back.

A server may close a kept connection in the very moment in which the next request is sent on it. Such a request, which
the server has not read, is sent once more, as HTTP clients do; one that was read and not answered has failed.
"""

import asyncio
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import orjson

VIEWERS = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it was due (`time.time`), the seconds from then to its last byte, and what came.

    `begun` is when the client came to it, later than due on a busy machine; nothing of it was sent before.
    `marks` are the different descriptions of the feed's videos, `error` is empty when there was an answer.
    """

    at: float
    seconds: float
    status: int = 0
    snapshot_id: str = ""
    marks: frozenset[str] = frozenset()
    items: int = 0
    degraded: tuple[str, ...] = ()
    error: str = ""
    begun: float = 0.0

    @property
    def ended(self) -> float:
        """When the last byte of the answer came, or the error."""
        return self.at + self.seconds

    @property
    def good(self) -> bool:
        """A complete feed."""
        return self.status == 200 and self.items == 24


@dataclass(slots=True)
class Load:
    """`with Load(port, rate=200) as load: ...` asks until the end of the block; `load.answers` holds what came.

    A request is sent when it is due, however late the answers before it are, so a pause of the service is seen by every
    request that falls into it.
    """

    port: int
    rate: float = 200.0
    answers: list[Answer] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _idle: list["Connection"] = field(default_factory=list)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(60.0)

    def failed(self) -> list[Answer]:
        """Requests without a complete feed."""
        return [answer for answer in self.answers if not answer.good]

    def percentile(self, q: float, begin: float = 0.0, end: float = float("inf")) -> float:
        """Milliseconds within which `q` percent of the requests due between two moments were answered."""
        taken = [answer.seconds for answer in self.answers if begin <= answer.at < end]
        return float(np.percentile(taken, q)) * 1000 if taken else float("nan")

    async def _run(self) -> None:
        begin, number, tasks = time.monotonic(), 0, set()
        while not self._stop.is_set():
            due = begin + number / self.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.create_task(self._ask(number, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
        await asyncio.gather(*tasks)
        for connection in self._idle:
            connection.close()

    async def _ask(self, number: int, due: float) -> None:
        begun = time.time()
        at = begun - (time.monotonic() - due)
        body = orjson.dumps({"user_id": number % VIEWERS, "seed": number})
        try:
            async with asyncio.timeout(15.0):
                status, content = await self._exchange(body)
            found = dict(_seen(content)) if status == 200 else {"error": content[:300].decode(errors="replace")}
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            status, found = 0, {"error": f"{type(error).__name__}: {error}"}
        self.answers.append(Answer(at, time.monotonic() - due, status, begun=begun, **found))

    async def _exchange(self, body: bytes) -> tuple[int, bytes]:
        kept = self._kept()
        if kept is not None:
            try:
                return await self._post(kept, body)
            except (OSError, asyncio.IncompleteReadError) as error:
                if not kept.was_closed_before(error):
                    raise
        return await self._post(Connection(*await asyncio.open_connection("127.0.0.1", self.port)), body)

    def _kept(self) -> "Connection | None":
        while self._idle:
            connection = self._idle.pop()
            if not connection.reader.at_eof():
                return connection
            connection.close()
        return None

    async def _post(self, connection: "Connection", body: bytes) -> tuple[int, bytes]:
        kept = False
        try:
            status, content, kept = await connection.post("/v1/feed", body)
        finally:
            self._idle.append(connection) if kept else connection.close()
        return status, content


@dataclass(slots=True)
class Connection:
    """One connection, and what became of the last request on it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    _answered: bool = False
    _reset: bool = False

    async def post(self, path: str, body: bytes) -> tuple[int, bytes, bool]:
        """Status, body, and whether the connection stays open."""
        self._answered = False
        head = f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        self.writer.write(head.encode("ascii") + b"\r\n\r\n" + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        self._answered = True
        length = int(answer.partition("content-length:")[2].split("\r\n")[0])
        content = await self.reader.readexactly(length)
        return int(answer.split(" ", 2)[1]), content, "connection: close" not in answer

    def was_closed_before(self, error: OSError | asyncio.IncompleteReadError) -> bool:
        """Whether the server let go of the connection without reading the request: the kernel resets it then."""
        if self._answered:
            return False
        if isinstance(error, asyncio.IncompleteReadError):
            return not error.partial and self._reset
        return isinstance(error, ConnectionError)

    def close(self) -> None:
        """Let go of it; an end that came without a word is looked at once more before."""
        link: socket.socket = self.writer.get_extra_info("socket")
        if link.fileno() >= 0:
            self._reset = link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
        self.writer.close()


def _seen(content: bytes) -> dict[str, Any]:
    feed = orjson.loads(content)
    marks = frozenset(str(item["description"]) for item in feed["items"] if item["type"] == "video")
    return {
        "snapshot_id": feed["snapshot_id"],
        "marks": marks,
        "items": len(feed["items"]),
        "degraded": tuple(feed["degraded"]),
    }
