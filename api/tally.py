"""Counts of the request path, in plain memory first: a counter that processes share costs some 5 µs a step.

What was tallied reaches the shared metrics a quarter of a second later, and before they are shown or the process ends.
"""

import asyncio
import atexit
from bisect import bisect_left
from collections.abc import Sequence

from prometheus_client import Counter, Histogram

PASS_ON_SECONDS = 0.25


class TalliedHistogram(Histogram):
    """A histogram that takes many observations at once."""

    def add(self, counts: Sequence[int], total: float) -> None:
        """Add observations by bucket (the last is everything above the bounds) and their sum."""
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        self._sum.inc(total)


class Tally:
    """Steps of counters and observations of one histogram by label; belongs to one thread.

    Parameters
    ----------
    histogram : has one label
    bounds : its buckets' upper bounds
    """

    def __init__(self, histogram: TalliedHistogram, bounds: Sequence[float]) -> None:
        self._histogram, self._bounds = histogram, bounds
        self._counts: dict[tuple[Counter, tuple[str, ...]], float] = {}
        self._places: dict[tuple[Counter, tuple[str, ...]], list[bytes]] = {}
        self._observed: dict[str, tuple[list[int], list[float]]] = {}
        self._due = False
        atexit.register(self.pass_on)

    def count(self, counter: Counter, *labels: str, by: float = 1.0) -> None:
        """One step of a counter."""
        key = (counter, labels)
        self._counts[key] = self._counts.get(key, 0.0) + by
        if not self._due:
            self._pass_on_later()

    def count_each(self, counter: Counter, labels: Sequence[str], places: bytes) -> None:
        """One step for every byte: of the label at that place. `labels` are the same at every call for a counter."""
        self._places.setdefault((counter, tuple(labels)), []).append(places)
        if not self._due:
            self._pass_on_later()

    def observe(self, label: str, value: float) -> None:
        """One observation."""
        found = self._observed.get(label)
        if found is None:
            found = self._observed[label] = ([0] * (len(self._bounds) + 1), [0.0])
        found[0][bisect_left(self._bounds, value)] += 1
        found[1][0] += value
        if not self._due:
            self._pass_on_later()

    def pass_on(self) -> None:
        """Into the shared metrics, now."""
        self._due = False
        counts, self._counts = self._counts, {}
        places, self._places = self._places, {}
        observed, self._observed = self._observed, {}
        for (counter, labels), by in counts.items():
            (counter.labels(*labels) if labels else counter).inc(by)
        for (counter, names), parts in places.items():
            joined = b"".join(parts)
            for place, name in enumerate(names):
                if steps := joined.count(place):
                    counter.labels(name).inc(steps)
        for label, (buckets, (total,)) in observed.items():
            self._histogram.labels(label).add(buckets, total)

    def _pass_on_later(self) -> None:
        self._due = True
        try:
            asyncio.get_running_loop().call_later(PASS_ON_SECONDS, self.pass_on)
        except RuntimeError:
            self.pass_on()
