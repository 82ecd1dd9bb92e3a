"""The part of the work process that keeps what viewers did: flushes buffers into the logs, learns from them."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from api import pipeline, services
from api.backlog import Backlog
from api.settings import ServiceSettings
from data.tunnel import Tunnel
from tracking.learner import Learner, LearnerError
from tracking.policies import PolicyError
from tracking.sink import SinkUnavailableError

logger = logging.getLogger(__name__)
SLICE_SECONDS = 5.0
"""A flush of a long backlog stops after this long for learning to have its turn."""


class Keeper:
    """A thread that flushes when a flush is due and learns what was flushed, until `stop`."""

    def __init__(self, settings: ServiceSettings, tunnel: Tunnel | None) -> None:
        self._settings = settings
        self._sink = pipeline.sink(settings, tunnel)
        folder = settings.data_dir
        self._flusher = pipeline.flusher(settings, self._sink, services.redis_config(settings))
        self._backlog = Backlog(settings, self._sink)
        self._learner = Learner(self._sink, folder / "policies", half_lives=services.half_lives(settings))
        self._stopping, self._problems = threading.Event(), dict.fromkeys(("flush", "learn"), "")
        self._learnt: dict[str, Any] = {}
        self._learnt_problem = ""
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self._backlog.start()

    def stop(self) -> None:
        """End after a last flush."""
        self._stopping.set()
        self._backlog.stop()
        self._thread.join(self._settings.shutdown_seconds)

    def report(self) -> dict[str, Any]:
        """What waits and what is wrong, for /health."""
        found = self._backlog.report()
        found["problems"] += [problem for problem in (*self._problems.values(), self._learnt_problem) if problem]
        return {**found, "database": {"ok": not self._problems["learn"], "error": self._problems["learn"] or None},
                "learning": self._learnt}  # fmt: skip

    def _run(self) -> None:
        self._attempt("learn", self._learn)
        self._flusher.recover()
        while not self._stopping.wait(self._settings.learn_seconds):
            self._attempt("flush", lambda: self._flush(force=False))
            self._attempt("learn", self._learn)
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
        if not force and (self._flusher.resting or not (self._problems["flush"] or self._flusher.due())):
            return self._problems["flush"]
        seconds = self._settings.shutdown_seconds if force else SLICE_SECONDS
        return "; ".join(self._flusher.flush(seconds).problems)

    def _learn(self) -> str:
        problem = ""
        try:
            report = self._learner.learn()
            self._learnt = {"version": report.version, "frozen": report.frozen, "unattributed": report.unattributed}
            problem = self._learner.problem
        except (LearnerError, PolicyError) as error:
            problem = f"learn: {error}"
        if problem and problem != self._learnt_problem:
            logger.error("%s", problem)
        self._learnt_problem = problem
        return ""
