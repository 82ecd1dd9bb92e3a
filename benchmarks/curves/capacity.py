"""What memory a snapshot takes, by what it holds, and what a worker takes beside it."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from benchmarks import http_load
from benchmarks.curves.chart import Curve, Sheet, compact, shown
from benchmarks.curves.reloads import filled
from benchmarks.http_servers import Process, ceiling, publish, worker
from data.checks import clean
from data.snapshot import SnapshotStore
from data.sources.mysql import MySQLSource
from engine.build import build
from engine.config import EngineConfig
from tests.support.servers import MariaDB, Redis

SHARE = 0.1
WORKERS_AT = (10_000, 100_000, 1_000_000)
# The first prefix that fits an array says what it grows with.
GROUPS = {
    "video_fragment": "videos",
    "video": "videos",
    "more_skill": "videos",
    "term": "videos",
    "creator": "videos",
    "user_watched_start": "users",
    "user_liked_start": "users",
    "user_friend_start": "users",
    "user_watched": "interactions",
    "user_liked": "interactions",
    "user_friend": "connections",
    "user": "users",
    "flow": "flows",
    "skill": "skills",
}
OTHER = "videos"
COUNTED = ("videos", "users", "interactions", "connections")
TOWNS: tuple[dict[str, float], ...] = (
    {"videos": 1e5, "users": 1e5, "interactions": 5e6, "connections": 1e6},
    {"videos": 1e6, "users": 1e6, "interactions": 5e7, "connections": 1e7},
    {"videos": 1e6, "users": 1e7, "interactions": 5e8, "connections": 1e8},
)
FEED_SECONDS = 4.0


def measured() -> list[Curve]:
    """The snapshot by its arrays, some towns of other sizes, and workers by videos."""
    with MariaDB("--innodb-buffer-pool-size=256M") as server:
        arrays, details = build(clean(MySQLSource(filled(server, SHARE)).load()), EngineConfig())
    counts = cast(dict[str, int], details["counts"])
    used = grouped({name: array.nbytes for name, array in arrays.items()})
    each = {(table, prefix): size / counts[table] for (table, prefix), size in used.items()}
    return [arrays_sheet(each, counts), towns_sheet(each), workers_sheet()]


def arrays_sheet(each: Mapping[tuple[str, str], float], counts: Mapping[str, int]) -> Sheet:
    """Bytes a row of each table."""
    rows = [[table, WHAT.get(prefix, "the rest"), shown(size)] for (table, prefix), size in each.items()]
    told = ", ".join(f"{counts[table]:,} {table}" for table in dict.fromkeys(GROUPS.values()))
    columns = ["one more of", "adds to", "bytes, or MB a million"]
    return Sheet("snapshot", "A snapshot's memory", columns, rows, note=f"Measured on {told}.")


def towns_sheet(each: Mapping[tuple[str, str], float]) -> Sheet:
    """The snapshot of catalogues that were not measured, from what each row of them takes."""
    rows = []
    for town in TOWNS:
        parts = {name: sum(s for (table, _), s in each.items() if table == name) * town[name] for name in COUNTED}
        json = each["videos", "video_fragment"] * town["videos"]
        cells = [compact(town[name]) for name in COUNTED]
        rows.append([*cells, f"{shown(sum(parts.values()) / 1e9)} GB", f"{shown(json / 1e9)} GB"])
    columns = [*COUNTED, "snapshot", "of it ready JSON"]
    return Sheet("towns", "Snapshots of other sizes", columns, rows, note="Computed from the table before.")


WHAT = {
    "video_fragment": "ready JSON; a feed reads 24 of them",
    "video": "what the kernel reads",
    "more_skill": "skills beyond a video's fourth",
    "term": "inverted lists of skills, knowledge, tools and languages",
    "creator": "creators and their videos",
    "user": "embedding, place, terms",
    "user_watched_start": "offsets of what was watched",
    "user_liked_start": "offsets of what was liked",
    "user_friend_start": "offsets of friends",
    "user_watched": "pairs of viewer and video, each kept once",
    "user_liked": "likes and good ratings",
    "user_friend": "both ways",
    "flow": "everything of a flow",
    "skill": "its direction; and the skill is a term",
}


def grouped(sizes: Mapping[str, int]) -> dict[tuple[str, str], int]:
    """Bytes by table and prefix; what no prefix fits counts as videos'."""
    found: dict[tuple[str, str], int] = {}
    for name, size in sizes.items():
        prefix = next((prefix for prefix in GROUPS if name.startswith(prefix)), "")
        key = GROUPS.get(prefix, OTHER), prefix
        found[key] = found.get(key, 0) + size
    order = list(dict.fromkeys(GROUPS.values()))
    return dict(sorted(found.items(), key=lambda entry: order.index(entry[0][0])))


def workers_sheet() -> Sheet:
    """One serve worker after some seconds of feeds: what it has for itself, and what it maps and touched."""
    rows = [worker_row(videos) for videos in WORKERS_AT]
    columns = ["videos", "snapshot, MB", "score tables, MB", "of both mapped in, MB", "private to the worker, MB"]
    note = (
        "After some seconds of feeds. Snapshot and score tables all workers of a machine share; the system maps the "
        "neighbours of what is read too. The private part includes Python and the framework"
    )
    with ceiling(1_000, core()) as plain:
        plain.wait_until_it_answers()
        http_load.run(plain.port, seconds=1.0)
        idle = plain.private_megabytes()
    return Sheet("worker", "A worker's memory", columns, rows, note=f"{note}, {idle:.0f} MB when idle.")


def worker_row(videos: int) -> list[str]:
    """The figures for a catalogue of so many videos."""
    with tempfile.TemporaryDirectory(prefix="talentfeed-capacity-") as folder:
        publish(Path(folder), videos)
        with Redis() as redis, worker(Path(folder), redis, core()) as served:
            served.wait_until_it_answers()
            http_load.run(served.port, seconds=FEED_SECONDS)
            size = SnapshotStore(Path(folder) / "snapshots").list()[0].bytes / 1e6
            tables = sum(path.stat().st_size for path in (Path(folder) / "tables").rglob("*.npy")) / 1e6
            figures = size, tables, mapped_megabytes(served, folder), served.private_megabytes()
            return [f"{videos:,}", *(f"{figure:,.0f}" for figure in figures)]


def mapped_megabytes(served: Process, folder: str) -> float:
    """Memory of files below `folder` that the process maps and has touched."""
    total, inside = 0, False
    for line in Path(f"/proc/{served.process.pid}/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            inside = folder in line
        elif inside and words[0] == "Rss:":
            total += int(words[1])
    return total / 1024


def core() -> int:
    """The core that servers get."""
    return min(os.sched_getaffinity(0))
