"""One whole feed, engine only: 10,000 videos, one thread, no HTTP."""

from collections.abc import Callable

from benchmarks.measure import Result, beside, ordinary_work, timed
from engine.config import EngineConfig
from engine.engine import Engine
from engine.feed_types import FeedRequest
from engine.kernel.reference import ReferenceKernel
from tests.support.worlds import random_world, trained_policy

VIDEOS = 10_000


def run() -> list[Result]:
    """The compiled kernel, with the plain numpy kernel as baseline, and a render beside them."""
    world = random_world(1, videos=VIDEOS, creators=2_000, users=2_000, flows=80, width=64)
    policy, config = trained_policy(1, world), EngineConfig()
    compiled, plain = Engine(world, policy, config), Engine(world, policy, config, ReferenceKernel)
    baseline, baseline_tenth = timed(lambda seed: plain.feed(request(seed)), calls=60, warm_up=3)
    median, tenth, share = beside(ordinary_work, lambda seed: compiled.feed(request(seed)), calls=1_000)
    feed = compiled.feed(request(1))
    return [
        Result(f"one feed, {VIDEOS:,} videos, plain kernel", baseline, baseline_tenth, ratio="baseline"),
        Result(
            f"one feed, {VIDEOS:,} videos, trained bandits", median, tenth, "at most 0.30 ms",
            f"{baseline / median:.1f} times faster", "feed_trained", share,
        ),
        beside_work("its 24 items as JSON", "render", lambda _: compiled.render(feed), 1_000),
        beside_work(
            f"a new bandit version against {VIDEOS:,} videos", "new_engine", lambda _: Engine(world, policy, config), 30
        ),
    ]  # fmt: skip


def beside_work(what: str, figure: str, call: Callable[[int], object], calls: int) -> Result:
    """One line, measured by turns with the yardstick."""
    median, tenth, share = beside(ordinary_work, call, calls=calls)
    return Result(what, median, tenth, figure=figure, share=share)


def request(seed: int) -> FeedRequest:
    """A known viewer, another one each time."""
    return FeedRequest(user_id=seed % 2_000, seed=seed)
