"""Memory that a serve worker has for itself, and how long `talentfeed serve` takes to its first feed."""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import http_load
from benchmarks.http_servers import ROOT, ask, ceiling, kept_environment, publish, worker
from benchmarks.measure import Result
from tests.support.processes import free_port
from tests.support.servers import Redis

SIZES, FIRST_FEED = (10_000, 100_000), 100_000
PATIENCE = 60.0


def run(sizes: tuple[int, ...] = SIZES, starts: int = 3) -> list[Result]:
    """A worker's private memory after some thousand feeds, by videos; then the time to the first feed."""
    results = [private(videos) for videos in sizes]
    with tempfile.TemporaryDirectory(prefix="talentfeed-start-") as folder:
        publish(Path(folder), FIRST_FEED)
        taken = [first_feed(Path(folder)) * 1e3 for _ in range(starts)]
    what = f"talentfeed serve to the first feed, {FIRST_FEED:,} videos"
    return [*results, Result(what, statistics.median(taken), min(taken), "at most 2,000 ms")]


def private(videos: int) -> Result:
    """Private megabytes of a worker beyond those of FastAPI alone, both after requests; the table's unit is not ms."""
    core = min(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="talentfeed-memory-") as folder:
        publish(Path(folder), videos)
        with Redis() as redis, worker(Path(folder), redis, core) as served, ceiling(1_000, core) as plain:
            for server in (served, plain):
                server.wait_until_it_answers()
                http_load.run(server.port, seconds=2.0)
            used, idle = served.private_megabytes(), plain.private_megabytes()
    more = f"{used - idle:.0f} MB beyond {idle:.0f} MB of FastAPI"
    return Result(f"private memory of a worker, {videos:,} videos (MB)", used, used, "60 MB more", more)


def first_feed(folder: Path) -> float:
    """Seconds from starting the command to the first answer with a feed."""
    port = free_port()
    settings = {"DATA_DIR": str(folder), "LOG_DIR": str(folder / "logs"), "CREDENTIALS_DIR": str(folder)}
    settings |= {"RELOAD_EVERY": "0", "DRAIN_SECONDS": "0"}
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "serve", "--port", str(port)],
        cwd=ROOT,
        env=kept_environment() | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while time.perf_counter() - begin < PATIENCE:
            try:
                if ask(port):
                    return time.perf_counter() - begin
            except OSError:
                pass
            time.sleep(0.005)
        raise RuntimeError("talentfeed serve does not answer")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


if __name__ == "__main__":
    for line in run(tuple(int(word) for word in sys.argv[1:]) or SIZES):
        print(f"{line.what:60} {line.median_ms:8.1f} {line.tenth_ms:8.1f}  {line.promise:18} {line.ratio}")
