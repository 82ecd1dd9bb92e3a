"""What `python -m benchmarks compare` measures, run as a script on one tree: engine and worlds are that tree's own.

Usage: `PYTHONPATH=<tree> python -P cases.py <tree> [case ...]`. It prints the cases' names (all, unless said) when they
are ready, then answers each line `<case> <turn>` on standard input with the milliseconds of one call. `-P`: this folder
must not shadow modules.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import engine
from benchmarks.worlds import catalogue
from engine.config import EngineConfig
from engine.engine import Engine
from engine.feed_types import FeedRequest
from tests.support.worlds import trained_policy

USERS = 2_000
SECONDS, LEAST_CALLS, WARM_UP = 0.1, 5, 3
"""A turn lasts so long and has so many calls at least, after some that do not count."""
Call = Callable[[int], object]


def feeds(videos: int) -> Call:
    """One whole feed, another viewer each time."""
    world = catalogue(videos, USERS)
    made = Engine(world, trained_policy(1, world), EngineConfig())
    return lambda seed: made.feed(FeedRequest(user_id=seed % USERS + 1, seed=seed))


def rendering() -> Call:
    """The items of a feed as JSON."""
    world = catalogue(10_000, USERS)
    made = Engine(world, trained_policy(1, world), EngineConfig())
    feed = made.feed(FeedRequest(user_id=1, seed=1))
    return lambda _: made.render(feed)


def engines() -> Call:
    """An engine for a new version of the bandits."""
    world = catalogue(10_000, USERS)
    policy = trained_policy(1, world)
    return lambda _: Engine(world, policy, EngineConfig())


CASES: dict[str, Callable[[], Call]] = {
    "feed, 1,000 videos": lambda: feeds(1_000),
    "feed, 10,000 videos": lambda: feeds(10_000),
    "feed, 100,000 videos": lambda: feeds(100_000),
    "24 items as JSON": rendering,
    "new engine, 10,000 videos": engines,
}


def measured(call: Call, turn: int) -> float:
    """Median milliseconds of the turn's calls; the seeds are the same for the same turn."""
    seed = turn * 100_000
    taken: list[int] = []
    for number in range(WARM_UP):
        call(seed + number)
    end = time.perf_counter() + SECONDS
    while len(taken) < LEAST_CALLS or time.perf_counter() < end:
        seed += 1
        begin = time.perf_counter_ns()
        call(seed)
        taken.append(time.perf_counter_ns() - begin)
    return statistics.median(taken) / 1e6


def main(tree: str, names: list[str]) -> int:
    """Build the cases, then measure what is asked for until the input ends."""
    if not Path(engine.__file__).is_relative_to(tree):
        print(f"the engine comes from {engine.__file__}, not from {tree}", file=sys.stderr)
        return 1
    if unknown := [name for name in names if name not in CASES]:
        print(f"no case {unknown[0]!r}: there are {', '.join(map(repr, CASES))}", file=sys.stderr)
        return 1
    calls = {name: CASES[name]() for name in names or CASES}
    print(json.dumps(list(calls)), flush=True)
    for line in sys.stdin:
        name, _, turn = line.rpartition(" ")
        print(measured(calls[name], int(turn)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
