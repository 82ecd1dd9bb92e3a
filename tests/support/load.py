"""A client that asks for feeds at a steady rate over a few kept connections, and notes what came back."""

import asyncio
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
    _idle: list["_Connection"] = field(default_factory=list)
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
        at = time.time() - (time.monotonic() - due)
        body = orjson.dumps({"user_id": number % VIEWERS, "seed": number})
        try:
            async with asyncio.timeout(15.0):
                status, content = await self._exchange(body)
            found = dict(_seen(content)) if status == 200 else {"error": content[:300].decode(errors="replace")}
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            status, found = 0, {"error": f"{type(error).__name__}: {error}"}
        self.answers.append(Answer(at, time.monotonic() - due, status, **found))

    async def _exchange(self, body: bytes) -> tuple[int, bytes]:
        while self._idle:
            connection = self._idle.pop()
            if not connection.reader.at_eof():
                break
            connection.close()
        else:
            connection = _Connection(*await asyncio.open_connection("127.0.0.1", self.port))
        try:
            status, content, kept = await connection.post("/v1/feed", body)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection) if kept else connection.close()
        return status, content


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def post(self, path: str, body: bytes) -> tuple[int, bytes, bool]:
        """Status, body, and whether the connection stays open."""
        head = f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        self.writer.write(head.encode("ascii") + b"\r\n\r\n" + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(answer.partition("content-length:")[2].split("\r\n")[0])
        content = await self.reader.readexactly(length)
        return int(answer.split(" ", 2)[1]), content, "connection: close" not in answer

    def close(self) -> None:
        """Let go of it."""
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
