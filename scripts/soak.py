"""`make soak`: half an hour of faults under load. Nothing may be lost, and memory, files and threads must stay flat.

make soak
.venv/bin/python -m scripts.soak --minutes 5 --seed 7
"""

import argparse
import secrets
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.support.nemesis import Cluster, Nemesis, cluster
from tests.support.processes import family
from tests.support.writers import Writers

LOOK_SECONDS, PATIENCE = 10.0, 120.0
GROWTH = {"megabytes": (1.15, 40), "threads": (1.1, 6), "descriptors": (1.1, 25), "files": (1.2, 40)}
"""How much the last quarter's median may exceed the second quarter's: a factor, and on top of it a number."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the service's processes held at one moment; `files` are those in DATA_DIR."""

    megabytes: float
    threads: int
    descriptors: int
    files: int


def look(target: Cluster) -> Look:
    """Add up all processes of the service."""
    assert target.service.process
    pages = threads = descriptors = 0
    for pid in family(target.service.process.pid):
        folder = Path(f"/proc/{pid}")
        try:
            pages += int((folder / "statm").read_text().split()[1])
            threads += len(list((folder / "task").iterdir()))
            descriptors += len(list((folder / "fd").iterdir()))
        except (OSError, IndexError):  # it ended
            continue
    files = sum(1 for path in target.service.data_dir.rglob("*") if path.is_file())
    return Look(round(pages * 4096 / 1e6, 1), threads, descriptors, files)


def growth(looks: list[Look]) -> list[str]:
    """What grew between the second quarter of the looks and the last, in words."""
    told, quarter = [], len(looks) // 4
    if not quarter:
        return ["too short to tell whether anything grows"]
    for name, (factor, more) in GROWTH.items():
        values = [float(asdict(one)[name]) for one in looks]
        before, after = (sorted(part)[len(part) // 2] for part in (values[quarter : 2 * quarter], values[-quarter:]))
        sys.stdout.write(f"{name}: median {before:g} in the second quarter, {after:g} in the last\n")
        if after > before * factor + more:
            told.append(f"{name} grew from {before:g} to {after:g}")
    return told


def soak(minutes: float, seed: int, folder: Path) -> list[str]:
    """Run it; what is wrong, in words."""
    looks = []
    with cluster(folder) as target:
        writers, nemesis = Writers(target.service.url, seed, threads=2, pause=0.1), Nemesis(target, seed)
        evil = threading.Thread(target=nemesis.run, args=(minutes * 60,), kwargs={"calm": 3.0})
        writers.start()
        evil.start()
        while evil.is_alive():
            evil.join(LOOK_SECONDS)
            looks.append(look(target))
            last = nemesis.history[-1] if nemesis.history else "nothing yet"
            sys.stdout.write(f"{looks[-1]} acknowledged={len(writers.acknowledged)} last: {last}\n")
            sys.stdout.flush()
        writers.stop()
        limit = time.monotonic() + PATIENCE
        while writers.acknowledged - set(target.stored()) and time.monotonic() < limit:
            time.sleep(1.0)
        stored = Counter(target.stored())
        target.service.stop()
    sys.stdout.write(f"answers {dict(writers.answers)}, feeds {dict(writers.feeds)}, {len(stored)} events stored\n")
    lost, extra = writers.acknowledged - set(stored), set(stored) - writers.acknowledged
    twice = [name for name, times in stored.items() if times > 1]
    counts = {"lost": lost, "never acknowledged": extra, "stored twice": twice}
    failed = [f"feeds answered {status}" for status in writers.feeds if status not in (0, 200)]
    return [f"{len(ids)} events {what}" for what, ids in counts.items() if ids] + failed + growth(looks)


def main() -> int:
    """The exit code: 0 when all holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    given = parser.parse_args()
    sys.stdout.write(f"seed {given.seed}\n")
    with tempfile.TemporaryDirectory(prefix="talentfeed-soak-") as folder:
        wrong = soak(given.minutes, given.seed, Path(folder))
    sys.stdout.write("\n".join(wrong or ["nothing lost, nothing twice, nothing grew"]) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
