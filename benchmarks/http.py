"""`POST /v1/feed` of one serve worker with Redis, beside the same route returning a constant body of the same size.

The server has one core, the load generator and Redis the other. Rounds of both alternate, so a busy machine slows both:
trust the ratio. Processor time a request is told beside it, which other programs disturb least. Nobody flushes here, so
Redis' data grows by tens of megabytes a second; it does not rewrite its append-only file meanwhile, which would take
the load generator's core every few seconds.
"""

import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import http_load
from benchmarks.http_servers import Process, ceiling, publish, worker
from benchmarks.measure import Result
from tests.support.servers import Redis

VIDEOS, ROUNDS, SECONDS = 10_000, 5, 2.0


@dataclass(frozen=True, slots=True)
class Round:
    """Answers a second, and processor time of the server in milliseconds an answer."""

    rate: float
    cpu_ms: float


def run(videos: int = VIDEOS, rounds: int = ROUNDS, seconds: float = SECONDS) -> list[Result]:
    """Throughput against the ceiling, then latency at half of that load."""
    cores = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, {cores[-1]})  # this process, and Redis as its child
        with tempfile.TemporaryDirectory(prefix="talentfeed-http-") as folder:
            publish(Path(folder), videos)
            redis_server = Redis(appendonly="yes", auto_aof_rewrite_percentage="0")
            with redis_server as redis, worker(Path(folder), redis, cores[0]) as served:
                served.wait_until_it_answers()
                size = len(http_load.run(served.port, seconds=1.0).body)
                with ceiling(size, cores[0]) as plain:
                    plain.wait_until_it_answers()
                    pairs = [(one_round(plain, seconds), one_round(served, seconds)) for _ in range(rounds)]
                half = statistics.median(feed.rate for _, feed in pairs) / 2
                paced = http_load.run(served.port, seconds=2 * seconds, rate=half)
    finally:
        os.sched_setaffinity(0, set(cores))
    return told(pairs, paced, half, size)


def one_round(server: Process, seconds: float) -> Round:
    """As much as one server can do for so long. Raises RuntimeError when an answer is not 200."""
    before = server.cpu_seconds()
    outcome = http_load.run(server.port, seconds=seconds)
    if outcome.failures:
        raise RuntimeError(f"{outcome.failures} of {len(outcome.latencies)} answers were not 200")
    return Round(outcome.rate, (server.cpu_seconds() - before) * 1e3 / len(outcome.latencies))


def told(pairs: list[tuple[Round, Round]], paced: http_load.Outcome, half: float, size: int) -> list[Result]:
    """The table's lines; times are processor time a request, and latencies."""
    plain, feed = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ratios = sorted(served.rate / constant.rate for constant, served in pairs)
    share, rate = statistics.median(ratios), statistics.median(one.rate for one in feed)
    return [
        Result(
            f"constant body of {size:,} bytes, processor time",
            *times(plain),
            ratio=f"{statistics.median(one.rate for one in plain):,.0f}/s",
        ),
        Result(
            "POST /v1/feed with Redis, processor time",
            *times(feed),
            "50 %, 3,000/s",
            f"{share:.0%} of the constant body ({ratios[0]:.0%} to {ratios[-1]:.0%}), {rate:,.0f}/s",
            "http_processor",
            statistics.median(served.cpu_ms / constant.cpu_ms for constant, served in pairs),
        ),
        Result(f"its latency at {half:,.0f}/s", paced.percentile(50), paced.percentile(10)),
        Result(f"99th percentile at {half:,.0f}/s", paced.percentile(99), paced.percentile(10), "at most 5 ms"),
    ]


def times(rounds: list[Round]) -> tuple[float, float]:
    """Median and least processor time."""
    return statistics.median(one.cpu_ms for one in rounds), min(one.cpu_ms for one in rounds)


if __name__ == "__main__":
    for line in run(rounds=int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS):
        print(f"{line.what:55} {line.median_ms:8.3f} {line.tenth_ms:8.3f}  {line.promise:15} {line.ratio}")
