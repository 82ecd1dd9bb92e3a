"""When a part went away and when it came back: two lines in the log an outage, however many requests go without it."""

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)
CALM_SECONDS = 10.0
"""A part is back when it has answered and nothing has failed for so long: one that takes reads alone is not."""


class Outages:
    """Told of every failure and of answers. `clock` is in seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._away: dict[str, tuple[float, float, int]] = {}
        """Per part that is away: since when, when it failed last, how often it failed."""

    def failed(self, name: str, error: BaseException) -> None:
        """The part did not answer."""
        now = self._clock()
        since, _, count = self._away.get(name, (now, now, 0))
        self._away[name] = since, now, count + 1
        if not count:
            log.warning("%s does not answer: %s", name, error)

    def answered(self, *names: str) -> None:
        """The parts answered."""
        if not self._away:
            return
        now = self._clock()
        for name in names:
            since, last, count = self._away.get(name, (now, now, 0))
            if now - last >= CALM_SECONDS:
                del self._away[name]
                log.warning("%s answers again; it failed %d times in %.0f s", name, count, last - since)
