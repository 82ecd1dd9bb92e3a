"""The processes that HTTP is measured on: a serve worker on a snapshot of a given size, and the framework alone."""

import dataclasses
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from benchmarks.worlds import catalogue
from data.snapshot import SnapshotStore
from tests.support.servers import Redis

ROOT = Path(__file__).resolve().parents[1]
MEMBERS = (
    '"type":"{kind}","id":{id},"creator_id":{creator},"creator_name":"Ana María Restrepo","video_url":'
    '"https://media.example/{kind}s/{id}/master.m3u8","description":"Three minutes of practice, one take, no cuts: '
    'number {id}.","skills":["guitar","singing","arrangement"],"city":"Medellín","country":"Colombia",'
    '"created_at":"2026-05-01T12:00:00Z","views":18250,"avg_rating":4.25,"like_count":310'
)


def publish(folder: Path, videos: int) -> None:
    """A snapshot of so many videos, with items as long as real ones, below a DATA_DIR."""
    world = catalogue(videos)
    arrays: dict[str, Any] = {
        entry.name: getattr(world, entry.name)
        for entry in dataclasses.fields(world)
        if entry.name not in ("snapshot_id", "details")
    }
    for kind, ids, creator in (
        ("video", world.video_id, world.video_creator),
        ("flow", world.flow_id, world.flow_creator),
    ):
        arrays |= fragments(kind, ids.tolist(), world.creator_id[creator].tolist())
    details = {"as_of": datetime.now(UTC).isoformat(), "source": "benchmark", "counts": {"videos": videos}}
    SnapshotStore(folder / "snapshots").publish(arrays, details)


def fragments(kind: str, ids: list[int], creators: list[int]) -> dict[str, Any]:
    """Ready JSON members of about 420 bytes an item."""
    parts = [
        MEMBERS.format(kind=kind, id=one, creator=creator).encode() for one, creator in zip(ids, creators, strict=True)
    ]
    start = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return {f"{kind}_fragment": np.frombuffer(b"".join(parts), dtype=np.uint8), f"{kind}_fragment_start": start}


def kept_environment() -> dict[str, str]:
    """What any process needs of this one's environment, and nothing that would be a setting."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


def ask(port: int) -> bool:
    """Whether a feed request is answered with 200. Raises OSError when nobody listens."""
    body = b'{"user_id":1}'
    request = f"POST /v1/feed HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(request + body)
        return client.recv(16).startswith(b"HTTP/1.1 200")


class Process:
    """A Python process on a listening socket of its own, kept to one core."""

    def __init__(self, module: str, *arguments: str, core: int, environment: dict[str, str] | None = None) -> None:
        self._module, self._arguments, self._core, self._environment = module, arguments, core, environment or {}

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = int(listener.getsockname()[1])
        self.process = subprocess.Popen(
            [sys.executable, "-m", self._module, str(listener.fileno()), *self._arguments],
            cwd=ROOT,
            env={**kept_environment(), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **self._environment},
            pass_fds=(listener.fileno(),),
            stdout=subprocess.DEVNULL,
        )
        os.sched_setaffinity(self.process.pid, {self._core})
        listener.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_seconds(self) -> float:
        """Processor time it has used so far."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def private_megabytes(self) -> float:
        """Memory that it wrote, in MB. Pages of mapped files, which all workers share, are left out."""
        os.sync()  # pages of files that wait for the disk count as the only reader's own until then
        lines = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) / 1024

    def wait_until_it_answers(self) -> None:
        """Until a POST of a feed request is answered with 200."""
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            if ask(self.port):
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self._module} does not answer")


def settings(folder: Path, redis: Redis) -> dict[str, str]:
    """The settings of serve workers on this DATA_DIR, with Redis; they know no database that answers."""
    given = {"ENVIRONMENT": "staging", "MYSQL_HOST": "127.0.0.1", "MYSQL_USER": "none", "MYSQL_DB": "none"}
    given |= {"REDIS_HOST": redis.host, "REDIS_PORT": str(redis.port), "REDIS_TIMEOUT_SECONDS": "1"}
    return given | {"DATA_DIR": str(folder), "LOG_DIR": str(folder / "logs"), "CREDENTIALS_DIR": str(folder)}


def worker(folder: Path, redis: Redis, core: int) -> Process:
    """One serve worker."""
    metrics = folder / "metrics"
    metrics.mkdir(exist_ok=True)
    environment = settings(folder, redis) | {"PROMETHEUS_MULTIPROC_DIR": str(metrics)}
    return Process("api.worker", core=core, environment=environment)


def ceiling(size: int, core: int) -> Process:
    """The framework alone, answering `size` bytes."""
    return Process("benchmarks.http_ceiling", str(size), core=core)
