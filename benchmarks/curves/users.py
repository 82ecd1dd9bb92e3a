"""One feed, a new engine and the snapshot's size as users grow."""

import dataclasses

import numpy as np

from benchmarks.curves.chart import Axis, Chart, Curve, Series
from benchmarks.measure import timed
from benchmarks.scale import STRIDE
from benchmarks.worlds import catalogue
from engine.bandit.policy import Policy
from engine.config import EngineConfig
from engine.engine import Engine
from engine.feed_types import FeedRequest
from engine.world import World

VIDEOS, SIZES = 10_000, (1_000, 10_000, 100_000, 1_000_000)


def measured() -> list[Curve]:
    """A picture of times and one of sizes."""
    points = {users: point(users) for users in SIZES}
    names = ("one feed, median", "one feed, a tenth below", "a new engine")
    times = [Series.of(name, [(users, found[i]) for users, found in points.items()]) for i, name in enumerate(names)]
    size = [Series.of("arrays of the snapshot", [(users, found[3]) for users, found in points.items()])]
    note = f"{VIDEOS:,} videos; every user has 40 watched videos, 10 liked ones, 25 friends and 8 terms."
    x = Axis("users")
    return [
        Chart("users", "One feed by the number of users", x, Axis("milliseconds"), times, note=note),
        Chart("users_size", "The snapshot by the number of users", x, Axis("megabytes"), size, note=note),
    ]


def point(users: int) -> tuple[float, float, float, float]:
    """Median and 10th percentile of a feed and the median of a new engine in ms, megabytes of the arrays."""
    world, policy, config = catalogue(VIDEOS, users), Policy.untrained((1.0,)), EngineConfig()
    engine = Engine(world, policy, config)
    median, tenth = timed(
        lambda seed: engine.feed(FeedRequest(user_id=seed * STRIDE % users + 1, seed=seed)), calls=3_000, warm_up=100
    )
    new, _ = timed(lambda _: Engine(world, policy, config), calls=15, warm_up=2)
    return median, tenth, new, megabytes(world)


def megabytes(world: World) -> float:
    """Size of all arrays."""
    arrays = [getattr(world, entry.name) for entry in dataclasses.fields(world)]
    return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray)) / 1e6
