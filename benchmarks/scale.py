"""One whole feed, engine only, as the catalogue grows, beside the time it takes to read the bytes it needs once.

Reading is told twice: at the speed of memory (a buffer larger than the caches), and of a column of that size alone,
which the caches may hold.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.measure import Result, bandwidth, beside, ordinary_work
from benchmarks.worlds import catalogue
from engine.bandit.policy import Policy
from engine.config import EngineConfig
from engine.engine import Engine
from engine.feed_types import FeedRequest

SIZES = {1_000: "", 10_000: "at most 0.30 ms", 100_000: "at most 1.2 ms", 1_000_000: "at most 8 ms, 4 times reading"}
USERS = 2_000
# What no exact feed can leave unread, a video: four skills with weights, one bound, one match.
BYTES_A_VIDEO = 4 * 8 + 4 + 4
BOUND_BY_MEMORY = 1_000_000


def run() -> list[Result]:
    """A line a size; the ratio is the feed's time over that of reading its bytes."""
    speed = bandwidth()
    return [measured(videos, promise, speed) for videos, promise in SIZES.items()]


def measured(videos: int, promise: str, speed: float) -> Result:
    """Feeds of many viewers on a catalogue of this many videos; memory is read at `speed` bytes a second."""
    column = np.ones(max(1, videos * BYTES_A_VIDEO // 8), dtype=np.int64)

    def reading(_: int) -> object:
        return np.bitwise_or.reduce(column)

    feed, calls = feeds(videos), 600 if videos <= 10_000 else 108
    yardstick = reading if videos >= BOUND_BY_MEMORY else ordinary_work
    median, tenth, share = beside(yardstick, feed, calls=calls)
    within = share if yardstick is reading else beside(reading, feed, calls=calls // 2)[2]
    ratio = f"{median / reading_ms(videos, speed):.1f} times reading from memory, {within:.1f} from caches"
    return Result(f"one feed, {videos:,} videos", median, tenth, promise, ratio, f"feed_{videos}", share)


def feeds(videos: int, users: int = USERS) -> Callable[[int], object]:
    """One feed a call, of another viewer each time."""
    engine = Engine(catalogue(videos, users), Policy.untrained((1.0,)), EngineConfig())
    return lambda seed: engine.feed(FeedRequest(user_id=seed * STRIDE % users + 1, seed=seed))


STRIDE = 7_919
"""Viewers next to each other in time are not in memory."""


def reading_ms(videos: int, speed: float) -> float:
    """Milliseconds in which memory gives the bytes that a feed of so many videos needs, once."""
    return videos * BYTES_A_VIDEO / speed * 1e3
