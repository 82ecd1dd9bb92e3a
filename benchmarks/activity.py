"""Activity, from the client to the log: a service with one worker, a real Redis, a real MariaDB
(`innodb_flush_log_at_trx_commit=2`, 256 MB of buffer pool), and the clients, all on this machine.
"""

import http.client
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Result
from tests.support.nemesis import Cluster
from tests.support.proxy import Proxy
from tests.support.servers import MariaDB, Redis
from tracking.dead_letters import DeadLetters
from tracking.flush import Flusher
from tracking.mysql_sink import MySQLSink
from tracking.redis_buffer import RedisBuffer
from tracking.redis_client import RedisConfig

CALLS, BATCH, CLIENTS = 400, 100, 4
SINGLE_RATE, SINGLE_SECONDS, SINGLE_CLIENTS = 500, 6.0, 8
ROOMY = ("--innodb-buffer-pool-size=256M", "--innodb-log-file-size=128M")


def run() -> list[Result]:
    """Batches of 100 as fast as they go, then their flush, then single events at 500 a second."""
    found = []
    for rule in ("always", "everysec"):
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder), rule) as target:
            if rule == "always":
                found += batches(target, Path(folder))
            bodies = [body(1, number) for number in range(int(SINGLE_RATE * SINGLE_SECONDS))]
            taken, _ = posted(target, bodies, SINGLE_CLIENTS, SINGLE_RATE)
        p99 = f"p99 {np.percentile(taken, 99):.1f} ms"
        promise = "p99 at most 10 ms" if rule == "everysec" else "two writes to the disk in a row"
        found.append(result(f"one event a call, {SINGLE_RATE}/s, appendfsync {rule}", taken, promise, p99))
    return found


def batches(target: Cluster, folder: Path) -> list[Result]:
    """Calls of 100 events, then the flush of all of them."""
    taken, seconds = posted(target, [body(BATCH, number) for number in range(CALLS)], CLIENTS)
    rows, flushing = flushed(target, folder)
    rate, each = f"{CALLS * BATCH / seconds:,.0f} events/s", flushing / rows * 1e6
    load = f"load {os.getloadavg()[0]:.1f}"
    return [
        result(f"a call of {BATCH} events, one worker, {CLIENTS} clients, {load}", taken, "5,000 events/s", rate),
        Result(f"a flush of 1,000 of {rows:,} rows", each, each, "20,000 rows/s", f"{rows / flushing:,.0f} rows/s"),
    ]


def result(what: str, taken: NDArray[np.float64], promise: str, ratio: str) -> Result:
    """One line from calls' times in milliseconds."""
    return Result(what, float(np.median(taken)), float(np.percentile(taken, 10)), promise, ratio)


@contextmanager
def serving(folder: Path, rule: str) -> Iterator[Cluster]:
    """One worker on Redis (with this `appendfsync`) and MariaDB; nothing is flushed until asked."""
    options = {"appendonly": "yes", "appendfsync": rule}
    with Redis(**options) as redis, MariaDB(*ROOMY) as mariadb, Proxy("127.0.0.1", 1) as unused:
        direct = {"REDIS_PORT": str(redis.port), "MYSQL_PORT": str(mariadb.port)}
        pace = {"WORKERS": "1", "FLUSH_COUNT": "100000", "FLUSH_SECONDS": "3600", "LEARN_SECONDS": "5"}
        target = Cluster(folder, redis, mariadb, (unused, unused), **direct, **pace)
        MySQLSink(target.database.connect).create_tables()
        target.service.start()
        try:
            target.service.wait_until()
            yield target
        finally:
            target.service.kill()


def body(count: int, seed: int) -> bytes:
    """A call of `count` views of different viewers, each with its own id."""
    views = [
        {"event_id": str(uuid4()), "event_type": "video_view", "user_id": (seed * 7 + n) % 5000 + 1,
         "video_id": n % 20 + 1, "watch_seconds": 5.5, "duration_seconds": 30}
        for n in range(count)
    ]  # fmt: skip
    return json.dumps({"events": views}).encode()


def posted(target: Cluster, bodies: list[bytes], clients: int, rate: float = 0.0) -> tuple[NDArray[np.float64], float]:
    """Post all from some threads, `rate` a second if said: milliseconds of each call, and seconds in all."""
    taken = np.empty(len(bodies))
    begin = time.perf_counter() + 0.1

    def post(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", target.service.port, timeout=10)
        for number in range(first, len(bodies), clients):
            if rate:
                time.sleep(max(0.0, begin + number / rate - time.perf_counter()))
            taken[number] = timed(lambda number=number: call(connection, bodies[number]))
        connection.close()

    threads = [threading.Thread(target=post, args=(first,)) for first in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken, time.perf_counter() - begin


def call(connection: http.client.HTTPConnection, content: bytes) -> None:
    """One call that must be accepted."""
    connection.request("POST", "/v1/events", content, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 202


def timed(action: Callable[[], None]) -> float:
    """Milliseconds of one action."""
    begin = time.perf_counter()
    action()
    return (time.perf_counter() - begin) * 1e3


def flushed(target: Cluster, folder: Path) -> tuple[int, float]:
    """Move what waits in Redis into MariaDB with one flusher: rows, seconds."""
    buffer = RedisBuffer(RedisConfig(host=target.redis.host, port=target.redis.port))
    sink = MySQLSink(target.database.connect)
    flusher = Flusher([buffer], sink, DeadLetters(folder / "dead_letters.jsonl"))
    begin = time.perf_counter()
    report = flusher.flush()
    seconds = time.perf_counter() - begin
    assert not report.problems
    sink.close()
    return report.written, seconds
