"""Replacing the workers one after another while the service goes on: new settings or new code without a lost request.

For each worker another one is started beside it; when that one serves what the old one did, the old one takes no more
connections, ends those it has, and goes. A new worker that does not come up ends the whole thing: the old ones stay.
"""

import logging
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from api.children import Child
from api.heartbeats import HOST, Heartbeats

logger = logging.getLogger(__name__)
START_SECONDS = 60.0


def roll(children: list[Child], heartbeats: Heartbeats, *, patience: float) -> Iterator[None]:
    """Steps of a rolling restart; between them the caller looks after `children`, which this changes.

    `patience` is the longest time in seconds that an old worker may take to end; then it is killed.
    """
    for old in [child for child in children if child.name != "work"]:
        serving = _state(heartbeats, old).get("snapshot_id") is not None
        fresh = replace(old, process=None, failures=0, start_after=0.0)
        children.append(fresh)
        limit = time.monotonic() + START_SECONDS
        while not _ready(heartbeats, fresh, serving):
            if time.monotonic() > limit or fresh.failures:
                logger.error("the new %s does not come up; the rolling restart ends here", fresh.name)
                fresh.retire(signal.SIGTERM)
                return
            yield
        yield from _gone(children, old, signal.SIGUSR1, patience)
    for work in [child for child in children if child.name == "work"]:
        children.append(replace(work, process=None, failures=0, start_after=0.0))  # it waits for the other's lock
        yield from _gone(children, work, signal.SIGTERM, patience)
    logger.info("all processes were replaced")


def _gone(children: list[Child], child: Child, number: int, patience: float) -> Iterator[None]:
    """Retire a child and wait for its end; kill it when its time is over."""
    child.retire(number)
    limit = time.monotonic() + patience
    while child in children:
        if time.monotonic() > limit:
            child.signal(signal.SIGKILL)
        yield


def _ready(heartbeats: Heartbeats, child: Child, serving: bool) -> bool:
    state = _state(heartbeats, child)
    return bool(state.get("ready") if serving else state)


def _state(heartbeats: Heartbeats, child: Child) -> dict[str, Any]:
    """What a child said last; empty before its first word."""
    pid = child.process.pid if child.process else 0
    found = (state for state in heartbeats.alive("serve") if (state.get("host"), state["pid"]) == (HOST, pid))
    return next(found, {})
