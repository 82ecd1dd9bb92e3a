"""One whole feed, engine only, as the catalogue grows, beside the time it takes to read the bytes it needs once."""

import numpy as np

from benchmarks.measure import Result, timed
from benchmarks.worlds import catalogue
from engine.bandit.policy import Policy
from engine.config import EngineConfig
from engine.engine import Engine
from engine.feed_types import FeedRequest

SIZES = {1_000: "", 10_000: "at most 0.30 ms", 100_000: "at most 1.2 ms", 1_000_000: "at most 8 ms"}
USERS = 2_000
# What no exact feed can leave unread, a video: four skills with weights, one bound, one match.
BYTES_A_VIDEO = 4 * 8 + 4 + 4


def run() -> list[Result]:
    """A line a size; the ratio is the feed's time over that of reading its bytes."""
    return [measured(videos, promise) for videos, promise in SIZES.items()]


def measured(videos: int, promise: str) -> Result:
    """Feeds of many viewers on a catalogue of this many videos."""
    engine = Engine(catalogue(videos, USERS), Policy.untrained((1.0,)), EngineConfig())
    column = np.ones(max(1, videos * BYTES_A_VIDEO // 8))
    reading, _ = timed(lambda _: column.sum(), calls=30, warm_up=3)
    calls = 600 if videos <= 10_000 else 100
    median, tenth = timed(lambda seed: engine.feed(FeedRequest(user_id=seed % USERS + 1, seed=seed)), calls=calls)
    return Result(f"one feed, {videos:,} videos", median, tenth, promise, f"{median / reading:.1f} times reading")
