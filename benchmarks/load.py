"""A whole reload of 2,000,000 interactions from a real MariaDB behind a real sshd, in a process of its own.

It prints the split into load, clean, compute, write and keep (what the next reload starts from; feeds do not wait for
it), the processor's seconds (which a busy machine does not lengthen; imports and tunnel are in them), the process's
peak memory, and the memory of four workers that map the snapshot together (proportional set size).
"""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.load_database import fill
from benchmarks.measure import Result
from data.checks import clean
from data.compare import Limits, compare
from data.snapshot import SnapshotStore
from data.sources.kept import KeptRows
from data.sources.mysql import MySQLSource
from data.sources.mysql_connection import MySQLConfig
from data.tunnel import Tunnel, TunnelConfig
from engine.bandit.policy import Policy
from engine.build import build
from engine.config import EngineConfig
from engine.engine import Engine
from engine.feed_types import FeedRequest
from engine.world import World
from tests.support.loads import tunnel_config
from tests.support.servers import MariaDB, Sshd

PROMISE_SECONDS, PROMISE_BUILDER_BYTES, PROMISE_WORKERS_BYTES = 15.0, 1.5e9, 1.0e9
WORKERS = 4
Split = dict[str, float]


def run() -> list[Result]:
    """A first reload, which reads all, and one after it, which reads what is new."""
    with MariaDB("--innodb-buffer-pool-size=512M") as server, Sshd() as sshd, tempfile.TemporaryDirectory() as folder:
        database = server.new_database()
        fill(database)
        config = MySQLConfig(
            host=database.host, port=database.port, user=database.user, password=database.password, db=database.db
        )
        places = config, tunnel_config(sshd, config), Path(folder)
        whole = in_process(reload, *places)
        database.run("INSERT INTO interactions (user_id, video_id) SELECT seq, seq FROM seq_1_to_1000")
        next_one = in_process(reload, *places)
        plain = in_process(reload, *places, False)
        together = four_workers(Path(folder))
    promise = f"at most {PROMISE_SECONDS:g} s, {PROMISE_BUILDER_BYTES / 1e9:g} GB"
    lines = [line("reload, 2 M interactions, through SSH", whole, promise), line("reload after 1,000 more", next_one)]
    lines.append(line("the same with INCREMENTAL=off", plain))
    shared = f"{together / 1e6:,.0f} MB"
    return [
        *lines,
        Result(f"memory of {WORKERS} workers: {shared}", 0, 0, f"at most {PROMISE_WORKERS_BYTES / 1e9:g} GB"),
    ]


def line(what: str, split: Split, promise: str = "") -> Result:
    """One line of the table."""
    parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in split.items() if name not in ("total", "peak"))
    total = split["total"] * 1000
    return Result(f"{what} ({parts} s; peak {split['peak'] / 1e6:,.0f} MB)", total, total, promise)


def reload(config: MySQLConfig, way: TunnelConfig, folder: Path, keeps: bool = True) -> Split:
    """What the builder does; seconds of each step and the process's peak memory in bytes."""
    split: Split = {}

    @contextmanager
    def timed(step: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        split[step] = time.perf_counter() - begin

    store = SnapshotStore(folder / "snapshots")
    tunnel = Tunnel(way).start()
    with timed("total"):
        kept = KeptRows(folder / "kept", "checked") if keeps else None
        with timed("load"):
            raw = MySQLSource(config, tunnel=tunnel, kept=kept).load()
        with timed("clean"):
            tables = clean(raw)
            del raw
            profile = compare(tables, store.current_details().get("profile"), Limits())
        with timed("compute"):
            arrays, details = build(tables, EngineConfig())
        with timed("write"):
            store.publish(arrays, {**details, "profile": profile})
        if kept:
            with timed("keep"):
                kept.keep(tables)
    tunnel.close()
    used = resource.getrusage(resource.RUSAGE_SELF)
    split["processor"] = used.ru_utime + used.ru_stime
    split["peak"] = used.ru_maxrss * 1024.0
    return split


def in_process(function: Any, *arguments: Any) -> Any:
    """The result of a function in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def four_workers(folder: Path) -> float:
    """The proportional set size, in bytes, of processes that each serve feeds from the current snapshot."""
    context, pairs = multiprocessing.get_context("spawn"), []
    for _ in range(WORKERS):
        near, far = context.Pipe()
        process = context.Process(target=worker, args=[folder, far], daemon=True)
        process.start()
        pairs.append((process, near))
    for _, pipe in pairs:
        pipe.recv()
    total = sum(proportional_bytes(process.pid or 0) for process, _ in pairs)
    for process, pipe in pairs:
        pipe.send("end")
        process.join(10)
    return total


def worker(folder: Path, pipe: "Connection[Any, Any]") -> None:
    """Open the snapshot, serve some feeds, wait."""
    world, config = World.of(SnapshotStore(folder / "snapshots").open_current()), EngineConfig()
    engine = Engine(world, Policy.untrained((1.0,)), config)
    for user in range(1, 200):
        engine.render(engine.feed(FeedRequest(user_id=user, seed=user)))
    pipe.send("ready")
    pipe.recv()


def proportional_bytes(pid: int) -> float:
    """A process's memory with shared pages divided by those who share them."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(float(row.split()[1]) * 1024 for row in rows if row.startswith("Pss:"))
