"""Feeds at a steady rate while the data are reloaded: nothing fails, no answer mixes snapshots, nobody waits.

The whole service runs (supervisor, work process, builder, workers), embedded, on this machine, and the client with it.
Before every build each video's description is changed, so an answer shows which snapshot every item came from. Idle and
building moments alternate in one run; their 99th percentiles are compared.

`python -m benchmarks.reload_under_load` (`make reload-under-load`) exits with 1 when a promise is broken, and names it.
"""

import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Result, machine
from benchmarks.promises import Promise, verdict
from tests.api.server import Server
from tests.support.load import Answer, Load

RATE, RELOADS, SECONDS, LEAD_IN = 200.0, 10, 60.0, 5.0
SWITCH_SECONDS, IDLE_RATIO = 2.0, 2.0
WORKERS = (1, 2, 4)


@dataclass(slots=True)
class Round:
    """One reload: when it was asked for, when the pointer moved, when the last worker had switched (`time.time`)."""

    asked: float
    moved: float
    switched: float
    snapshot_id: str


@dataclass(slots=True)
class Run:
    """What a run showed."""

    workers: int
    load: Load
    rounds: list[Round] = field(default_factory=list)

    def mixed(self) -> list[Answer]:
        """Answers whose items do not all come from the snapshot that they name."""
        marks: dict[str, frozenset[str]] = {}
        return [a for a in self.load.answers if a.good and marks.setdefault(a.snapshot_id, a.marks) != a.marks]

    def late(self) -> list[Answer]:
        """Answers from an old snapshot although its pointer moved more than two seconds before they were asked for."""
        ends = [one.asked for one in self.rounds[1:]] + [float("inf")]
        spans = [(one.moved + SWITCH_SECONDS, end, one.snapshot_id) for one, end in zip(self.rounds, ends, strict=True)]
        return [
            a for begin, end, name in spans for a in self.load.answers if begin <= a.at < end and a.snapshot_id != name
        ]

    def slowest_switch(self) -> float:
        """Seconds from the pointer's move to the last worker's switch, in the slowest round."""
        return max((one.switched - one.moved for one in self.rounds), default=float("nan"))

    def percentile(self, q: float, building: bool) -> float:
        """Milliseconds; of the requests due during a build and its switch, or of all others after the lead-in."""
        first = min(answer.at for answer in self.load.answers) + LEAD_IN / 2
        busy = [(one.asked, one.switched) for one in self.rounds]
        if not building:
            edges = [first, *(edge for span in busy for edge in span), float("inf")]
            busy = list(zip(edges[::2], edges[1::2], strict=True))
        chosen = [a for a in self.load.answers if any(begin <= a.at < end for begin, end in busy)]
        return Load(0, answers=chosen).percentile(q)


def measured(workers: int, *, seconds: float = SECONDS, reloads: int = RELOADS, rate: float = RATE) -> Run:
    """Start a service, ask it for feeds for `seconds` and reload it meanwhile."""
    with tempfile.TemporaryDirectory(prefix="talentfeed-reload-") as folder:
        server = Server(Path(folder), WORKERS=str(workers), RELOAD_EVERY="0", KEEP_SNAPSHOTS="2").start()
        try:
            server.wait_until()
            while len(server.pids("serve")) < workers:
                time.sleep(0.1)
            reloaded(server, "the first generation")
            with Load(server.port, rate) as load:
                run = Run(workers, load)
                time.sleep(LEAD_IN)
                begin = time.monotonic()
                for number in range(reloads):
                    time.sleep(max(0.0, begin + number * (seconds - LEAD_IN) / reloads - time.monotonic()))
                    run.rounds.append(reloaded(server, f"generation {number}"))
                time.sleep(max(SWITCH_SECONDS + 0.5, begin + seconds - LEAD_IN - time.monotonic()))
            return run
        finally:
            server.kill()


def reloaded(server: Server, mark: str) -> Round:
    """Change every video, reload, and wait until all workers have switched."""
    with closing(sqlite3.connect(server.data_dir / "catalogue.sqlite", timeout=30)) as catalogue, catalogue:
        catalogue.execute("UPDATE videos SET description = ?", (mark,))
    asked = time.time()
    answer = server.http.post("/v1/admin/reload?wait=true", headers=server.admin)
    assert answer.status_code == 200, answer.text
    state = answer.json()
    moved = (server.data_dir / "snapshots" / "CURRENT").stat().st_mtime
    return Round(asked, moved, max(worker["switched_at"] for worker in state["workers"]), state["snapshot_id"])


def run() -> list[Result]:
    """With 1, 2 and 4 workers."""
    return [line for workers in WORKERS for line in lines(measured(workers))]


def lines(run: Run) -> list[Result]:
    """The figures of one run."""
    who = _who(run)
    idle, building = run.percentile(99, building=False), run.percentile(99, building=True)
    counts = f"{len(run.load.failed())} failed, {len(run.mixed())} mixed, {len(run.late())} late"
    return [
        Result(f"{who}, {len(run.load.answers):,} feeds at {run.load.rate:g}/s: p99 idle", idle, 0.0, ratio=counts),
        Result(f"{who}: p99 during {len(run.rounds)} reloads", building, 0.0, "twice idle", f"{building / idle:.2f}"),
        Result(f"{who}: slowest switch after the pointer", run.slowest_switch() * 1000, 0.0, "at most 2 s"),
    ]


def promises(run: Run) -> list[Promise]:
    """What was promised of one run."""
    who, idle = _who(run), run.percentile(99, building=False)
    return [
        Promise(f"{who}: failed", len(run.load.failed()), 0),
        Promise(f"{who}: answers of more than one snapshot", len(run.mixed()), 0),
        Promise(f"{who}: answers of an old snapshot 2 s after the pointer", len(run.late()), 0),
        Promise(f"{who}: slowest switch after the pointer", run.slowest_switch(), SWITCH_SECONDS, "s"),
        Promise(f"{who}: p99 while building", run.percentile(99, building=True), IDLE_RATIO * idle, "ms"),
    ]


def _who(run: Run) -> str:
    return f"{run.workers} worker" + "s" * (run.workers > 1)


def main() -> int:
    """Run, print the figures, and say which promises were broken: the exit code is 1 then."""
    runs = [measured(workers) for workers in WORKERS]
    shown = Table("what", "ms", "promise", "ratio", title=machine())
    for line in (line for run in runs for line in lines(run)):
        shown.add_row(line.what, f"{line.median_ms:.3f}", line.promise, line.ratio)
    Console().print(shown)
    return verdict([promise for run in runs for promise in promises(run)])


if __name__ == "__main__":
    sys.exit(main())
