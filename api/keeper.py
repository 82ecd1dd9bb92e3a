"""The part of the work process that keeps what viewers did: flushes buffers into the logs, learns from them."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api import metrics, services
from api.settings import ServiceSettings
from data.tunnel import Tunnel
from tracking.buffer import Buffer, Waiting
from tracking.dead_letters import DeadLetters
from tracking.flush import Flusher
from tracking.learner import Learner
from tracking.sink import Sink, SinkUnavailableError
from tracking.spool import Spool

logger = logging.getLogger(__name__)


class Keeper:
    """A thread that flushes when a flush is due and learns what was flushed, until `stop`."""

    def __init__(self, settings: ServiceSettings, tunnel: Tunnel | None) -> None:
        self._settings = settings
        self._sink = sink(settings, tunnel)
        folder = settings.data_dir
        self._flusher = Flusher(
            buffers(settings),
            self._sink,
            DeadLetters(folder / "dead_letters.jsonl"),
            count=settings.flush_count,
            seconds=settings.flush_seconds,
        )
        self._learner = Learner(self._sink, folder / "policies")
        self._dead_letters = DeadLetters(folder / "dead_letters.jsonl")
        self._stopping, self._problems = threading.Event(), dict.fromkeys(("flush", "learn", "count"), "")
        self._waiting: dict[str, Waiting | None] = {}
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after a last flush."""
        self._stopping.set()
        self._thread.join(self._settings.shutdown_seconds)

    def report(self) -> dict[str, Any]:
        """What waits and what is wrong, for /health."""
        waiting, problems = self._waiting, [problem for problem in self._problems.values() if problem]
        metrics.backlog.set(sum(entry.records for entry in waiting.values() if entry))
        problems += [f"{name}: what waits there cannot be told" for name, entry in waiting.items() if entry is None]
        found: dict[str, Any] = {"backlog": {name: vars_of(entry) for name, entry in waiting.items()}}
        found["database"] = {"ok": not self._problems["learn"], "error": self._problems["learn"] or None}
        if "redis" in waiting:
            found["redis"] = {"ok": waiting["redis"] is not None}
        return {**found, "problems": problems}

    def _run(self) -> None:
        self._attempt("learn", self._learn)
        self._attempt("count", self._count)
        while not self._stopping.wait(self._settings.learn_seconds):
            self._attempt("flush", lambda: self._flush(force=False))
            self._attempt("learn", self._learn)
            self._attempt("count", self._count)
        self._attempt("flush", lambda: self._flush(force=True))
        self._attempt("learn", self._learn)
        self._sink.close()

    def _attempt(self, step: str, action: Callable[[], str]) -> None:
        """Run a step; whatever happens to it, the next one comes."""
        try:
            self._problems[step] = action()
        except SinkUnavailableError as error:
            self._problems[step] = f"{step}: {error}"
        except Exception as error:
            if not self._problems[step]:
                logger.exception("%s failed", step)
            self._problems[step] = f"{step}: {type(error).__name__}: {error}"

    def _flush(self, force: bool) -> str:
        if not force and not self._flusher.due():
            return self._problems["flush"]
        return "; ".join(self._flusher.flush().problems)

    def _count(self) -> str:
        """What waits, counted in this thread alone: buffers are not for two."""
        self._waiting = self._flusher.waiting()
        return ""

    def _learn(self) -> str:
        self._learner.learn()
        return ""


def vars_of(entry: Any) -> dict[str, Any] | None:
    """What waits, as plain values."""
    if entry is None:
        return None
    return {"records": entry.records, "activities": entry.activities, "oldest_seconds": round(entry.oldest_seconds, 1)}


def buffers(settings: ServiceSettings) -> list[Buffer]:
    """What a flusher drains: Redis when there is one, and this machine's spool."""
    found: list[Buffer] = [Spool(settings.data_dir / "spool")]
    redis = services.redis_config(settings)
    if redis:
        from tracking.redis_buffer import RedisBuffer

        found.insert(0, RedisBuffer(redis))
    return found


def sink(settings: ServiceSettings, tunnel: Tunnel | None) -> Sink:
    """The logs: tables of the embedded database, or of MySQL."""
    if settings.embedded:
        from tracking.sqlite_sink import SqliteSink

        return SqliteSink(Path(settings.data_dir / "activity.sqlite"))
    from api.database import connector
    from tracking.mysql_sink import MySQLSink

    return MySQLSink(connector(settings, tunnel))
