"""How much waits and for how long, watched in a thread of its own: a database that hangs must not stop the counting.

The watch also keeps what waits in Redis out of the reach of its expiry, and says when Redis may lose it or did.
"""

import logging
import threading
import time
from datetime import UTC, datetime
from typing import Any

from api import metrics, pipeline, services
from api.settings import ServiceSettings
from tracking.buffer import BufferUnavailableError, Waiting
from tracking.sink import Sink

logger = logging.getLogger(__name__)

LOOK_SECONDS, WARN_SECONDS = 1.0, 5.0
TOLD_SECONDS = 3600.0
"""How long /health tells that Redis was emptied."""


class Backlog:
    """Looks at the buffers until `stop`; they and the flusher are its own, as buffers are not for two threads."""

    def __init__(self, settings: ServiceSettings, sink: Sink) -> None:
        redis = services.redis_config(settings)
        self._flusher = pipeline.flusher(settings, sink, redis)
        self._dead_letters = pipeline.dead_letters(settings)
        self._redis, self._mark = None, None
        if redis:
            from tracking.redis_buffer import RedisBuffer
            from tracking.redis_mark import RedisMark

            self._redis, self._mark = RedisBuffer(redis), RedisMark(redis)
        self._waiting: dict[str, Waiting | None] = {}
        self._warnings: list[str] = []
        self._hints: list[str] = []
        self._emptied, self._emptied_at = "", float("-inf")
        self._warn_at, self._refused = float("-inf"), 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="backlog", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End soon."""
        self._stopping.set()

    def report(self) -> dict[str, Any]:
        """For /health: what waits where, whether Redis answers, rows that were refused, and what is wrong in words."""
        waiting = self._waiting
        found: dict[str, Any] = {"backlog": {name: plain(entry) for name, entry in waiting.items()}}
        if "redis" in waiting:
            found["redis"] = {"ok": waiting["redis"] is not None, "warnings": self._warnings + self._hints}
        problems = [f"{name}: what waits there cannot be told" for name, entry in waiting.items() if entry is None]
        if self._refused:
            problems.append(f"the database refused {self._refused} rows: talentfeed dead-letters list")
        if time.monotonic() - self._emptied_at < TOLD_SECONDS:
            problems.append(self._emptied)
        return {**found, "dead_letters": self._refused, "problems": problems + self._warnings}

    def _run(self) -> None:
        while True:
            try:
                self._look()
            except Exception:
                logger.exception("the backlog could not be counted")
            if self._stopping.wait(LOOK_SECONDS):
                return

    def _look(self) -> None:
        self._flusher.shelter()
        self._look_at_mark()
        self._waiting = self._flusher.waiting()
        self._refused = self._dead_letters.count()
        known = [entry for entry in self._waiting.values() if entry]
        metrics.backlog.set(sum(entry.records for entry in known))
        metrics.backlog_age.set(max((entry.oldest_seconds for entry in known if entry.records), default=0.0))
        metrics.dead_letters.set(self._refused)
        if self._redis and time.monotonic() >= self._warn_at:
            self._ask_redis()

    def _look_at_mark(self) -> None:
        """Was Redis emptied? What the look before saw waiting in it is lost then."""
        try:
            if self._mark is None or not self._mark.gone():
                return
        except BufferUnavailableError:
            return
        before = self._waiting.get("redis")
        when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._emptied = (
            f"redis was emptied, or lost its files, before {when}: up to {before.records if before else 'all'} records"
            " that waited there are lost, and what viewers were served and hid is forgotten"
        )
        self._emptied_at = time.monotonic()
        metrics.redis_emptied.inc()
        logger.error("%s", self._emptied)

    def _ask_redis(self) -> None:
        """May it lose what waits? Logged at start, and when it changes."""
        if self._redis is None:
            return
        try:
            warnings, hints = self._redis.warnings(), self._redis.hints()
        except BufferUnavailableError:
            return
        for line in [*warnings, *hints]:
            if line not in self._warnings + self._hints:
                logger.warning("%s", line)
        self._warnings, self._hints = warnings, hints
        self._warn_at = time.monotonic() + WARN_SECONDS


def plain(entry: Waiting | None) -> dict[str, Any] | None:
    """What waits, as plain values."""
    if entry is None:
        return None
    counts = {"records": entry.records, "activities": entry.activities, "bytes": entry.bytes}
    return {**counts, "oldest_seconds": round(entry.oldest_seconds, 1)}
