"""When a part went away and when it came back: two lines in the log an outage, however many requests go without it."""

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

log = logging.getLogger(__name__)
CALM_SECONDS = 10.0
"""A part is back when it has answered and nothing has failed for so long: one that takes reads alone is not."""
STALE_SECONDS = 30 * CALM_SECONDS
"""A failure so long after the last one begins another outage: nobody asked the part meanwhile, or only for less."""


class Away(NamedTuple):
    """An outage: since when, when the part failed last, how often, and whether a write was among that."""

    since: float
    last: float
    times: int
    wrote: bool


class Outages:
    """Told of every failure and of answers. `clock` is in seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.away: dict[str, Away] = {}
        """The parts that are away. While there are none, answers need not be told."""

    def failed(self, name: str, error: BaseException, *, reading: bool = False) -> None:
        """The part did not answer."""
        now = self._clock()
        before = self.away.get(name)
        if before is None or now - before.last >= STALE_SECONDS:
            before = Away(now, now, 0, wrote=False)
            log.warning("%s does not answer: %s", name, error)
        self.away[name] = Away(before.since, now, before.times + 1, before.wrote or not reading)

    def answered(self, *names: str, reading: bool = False) -> None:
        """The parts answered. Where a write failed, having read something from them tells nothing."""
        if not self.away:
            return
        now = self._clock()
        for name in names:
            away = self.away.get(name)
            if away and now - away.last >= CALM_SECONDS and not (reading and away.wrote):
                del self.away[name]
                log.warning("%s answers again; it failed %d times in %.0f s", name, away.times, away.last - away.since)
