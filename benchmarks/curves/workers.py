"""Feeds a second by processes: the engine alone over one mapped snapshot, and the whole service over HTTP."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path

from benchmarks import http_load
from benchmarks.curves.chart import Axis, Chart, Curve, Series
from benchmarks.http_servers import ask, kept_environment, publish, settings
from benchmarks.trees import ROOT
from data.snapshot import SnapshotStore
from engine.bandit.policy import Policy
from engine.config import EngineConfig
from engine.engine import Engine
from engine.feed_types import FeedRequest
from engine.world import World
from tests.support.processes import family, free_port
from tests.support.servers import Redis

VIDEOS, COUNTS, SECONDS, PATIENCE = 10_000, (1, 2, 4), 5.0, 60.0


def measured() -> list[Curve]:
    """Both lines."""
    with tempfile.TemporaryDirectory(prefix="talentfeed-workers-") as folder:
        publish(Path(folder), VIDEOS)
        engines = {count: engines_rate(Path(folder), count) for count in COUNTS}
        served = {count: served_rate(Path(folder), count) for count in COUNTS}
    cost, beside = (min(found[part] for found in served.values()) for part in (1, 2))
    series = [
        Series.of("engines alone", [(count, rate) for count, (rate, _) in engines.items()]),
        Series.of("the service over HTTP", [(count, rate) for count, (rate, *_) in served.items()]),
    ]
    each = ", ".join(f"{cpu:.3f} ms with {count}" for count, (_, cpu) in engines.items())
    note = (
        f"{VIDEOS:,} videos, {os.cpu_count()} cores. Processor time of a feed by engines alone, JSON and all: {each}. "
        "Over HTTP, load generator and Redis (append-only file on) have a share of them beside the "
        "workers of `talentfeed serve`; more workers than cores bring nothing. A feed costs "
        f"its worker {cost:.2f} ms of a core at the least, {1e3 / cost:,.0f} feeds a second for a core of its own, and "
        f"Redis {beside:.2f} ms."
    )
    x, y = Axis("processes", log=False), Axis("feeds a second", log=False)
    return [Chart("workers", "Throughput by processes", x, y, series, note=note)]


def engines_rate(folder: Path, count: int) -> tuple[float, float]:
    """So many processes, each with an engine over the same mapped snapshot: feeds a second, processor ms of a feed."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        barrier = manager.Barrier(count)
        with context.Pool(count) as pool:
            found = pool.starmap(feeds, [(folder, number, barrier) for number in range(count)], chunksize=1)
    return sum(rate for rate, _ in found), sum(cpu for _, cpu in found) / count


def feeds(folder: Path, number: int, barrier: Barrier) -> tuple[float, float]:
    """Feeds a second, and processor milliseconds of each, of one process, once all are ready."""
    world = World.of(SnapshotStore(folder / "snapshots").open_current())
    engine, users = Engine(world, Policy.untrained((1.0,)), EngineConfig()), len(world.user_id)
    seed = number * 1_000_000
    for user in range(1, 50):
        engine.feed(FeedRequest(user_id=user, seed=user))
    barrier.wait(PATIENCE)
    begin, used, done = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begin < SECONDS:
        engine.render(engine.feed(FeedRequest(user_id=(seed + done) % users + 1, seed=seed + done)))
        done += 1
    used = time.process_time() - used
    return done / (time.perf_counter() - begin), used * 1e3 / done


def served_rate(folder: Path, count: int) -> tuple[float, float, float]:
    """Answers a second over HTTP, and processor milliseconds of all workers and of Redis for an answer."""
    with Redis(appendonly="yes") as redis, service(folder, redis, count) as (process, port):
        assert redis.process
        pids = process.pid, redis.process.pid
        http_load.run(port, seconds=1.0)
        before = [cpu_seconds(pid) for pid in pids]
        outcome = http_load.run(port, seconds=SECONDS)
        used = [cpu_seconds(pid) - begin for pid, begin in zip(pids, before, strict=True)]
    if outcome.failures:
        raise RuntimeError(f"{outcome.failures} of {len(outcome.latencies)} answers were not 200")
    answers = len(outcome.latencies)
    return outcome.rate, used[0] * 1e3 / answers, used[1] * 1e3 / answers


@contextmanager
def service(folder: Path, redis: Redis, workers: int) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """`talentfeed serve --role serve` with so many workers."""
    port = free_port()
    command = ["serve", "--role", "serve", "--port", str(port), "--workers", str(workers)]
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", *command],
        cwd=ROOT,
        env=kept_environment() | settings(folder, redis) | {"DRAIN_SECONDS": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await_feed(port)
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def await_feed(port: int) -> None:
    """Until a feed is answered; the workers that are not there yet are, a moment later."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        try:
            if ask(port):
                time.sleep(1.0)
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError("talentfeed serve does not answer")


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its descendants."""
    stats = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in family(pid)]
    return sum(int(words[11]) + int(words[12]) for words in stats) / os.sysconf("SC_CLK_TCK")
