"""Score tables that all workers of a machine share: the first that needs some computes them, the others map its files.

    DATA_DIR/tables/<key>/     arrays as `engine.ready_tables` lays them out, in the format of a snapshot
    DATA_DIR/tables/.lock      held while somebody computes

The key is a checksum of everything the tables depend on: snapshot, policy, rewards' weights, the engine's numbers, and
the code. So no folder is ever stale, and one that is not there is computed. Where sharing fails (a full disk, a folder
that takes no files, a worker that holds the lock for too long), a worker computes tables of its own, and says so.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import engine
import tracking
from api import metrics
from api.files import locked
from data.snapshot_files import Snapshot, SnapshotError, discard, sweep, write
from engine.config import EngineConfig
from engine.kernel.order import OrderedTable
from engine.ready_tables import of_arrays, ready_tables, to_arrays
from engine.world import World
from tracking.policies import PolicyStore
from tracking.rewards import WEIGHTS
from tracking.state import UNTRAINED

logger = logging.getLogger(__name__)

LOCK_SECONDS = 5.0  # less than the silence after which a worker counts as dead
KEEP = 3  # folders: of the version in use, and of those that a slower worker may still open


@dataclass(frozen=True, slots=True)
class Taken:
    """The tables of a policy version, which may be another one than asked for when that is damaged."""

    version: str
    tables: Mapping[str, OrderedTable]


class ScoreTables:
    """The tables below one folder. `problem` says why the ones in use are not shared; empty when they are."""

    def __init__(self, folder: Path, policies: PolicyStore, config: EngineConfig) -> None:
        self._folder, self._policies, self._config = folder, policies, config
        self._code = code_checksum()  # now: later the files on disk may be another version's
        self.problem = ""

    def take(self, world: World, version: str | None) -> Taken:
        """Tables of this world and the current policy, whose version the pointer gave: mapped, computed only once."""
        try:
            taken = self._mapped(world, version or UNTRAINED)
            if taken is None:
                with locked(self._folder / ".lock", LOCK_SECONDS):
                    taken = self._mapped(world, version or UNTRAINED) or self._published(world)
        except OSError as error:
            self._tell(str(error))
            policy = self._policies.load_current()
            taken = Taken(policy.version, ready_tables(world, policy, self._config))
        return taken

    def _mapped(self, world: World, version: str) -> Taken | None:
        """What somebody published; None when there is none, or when it is damaged."""
        path = self._folder / self._key(world, version)
        if not path.is_dir():
            return None
        try:
            taken = Taken(version, of_arrays(Snapshot.open(path).arrays, world.videos))
        except (SnapshotError, ValueError) as error:
            logger.error("score tables refused: %s", error)
            return None
        self.problem = ""
        return taken

    def _published(self, world: World) -> Taken:
        """Compute and publish; only for who holds the lock."""
        policy = self._policies.load_current()
        if taken := self._mapped(world, policy.version):
            return taken
        tables, key = ready_tables(world, policy, self._config), self._key(world, policy.version)
        details = {"as_of": world.details["as_of"], "snapshot": world.snapshot_id, "policy": policy.version}
        try:
            with suppress(FileNotFoundError):
                discard(self._folder / key)  # only one that is damaged can be there
            write(self._folder, to_arrays(tables), details, key)
            found = of_arrays(Snapshot.open(self._folder / key, verify=False).arrays, world.videos)
        except (OSError, SnapshotError) as error:
            self._tell(str(error))
            return Taken(policy.version, tables)
        self.problem = ""
        self._prune(key)
        return Taken(policy.version, found)

    def _tell(self, problem: str) -> None:
        if not self.problem:
            logger.error("score tables cannot be shared, this worker has its own: %s", problem)
        self.problem = f"score tables are not shared: {problem}"
        metrics.own_score_tables.inc()

    def _prune(self, current: str) -> None:
        """Remove all but the latest; whoever has one mapped keeps it."""
        try:
            others = [path for path in self._folder.iterdir() if path.is_dir() and ".tmp-" not in path.name]
            others = sorted((path for path in others if path.name != current), key=_changed, reverse=True)
            for path in others[KEEP - 1 :]:
                discard(path)
        except OSError as error:
            logger.error("old score tables stay: %s", error)
        sweep(self._folder)

    def _key(self, world: World, version: str) -> str:
        content = [self._code, np.__version__, world.snapshot_id, version, WEIGHTS, asdict(self._config)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def code_checksum() -> str:
    """Of the files of engine, its compiled kernel among them, and tracking: what other code computed is not read."""
    content = hashlib.sha256()
    for folder in (Path(engine.__file__).parent, Path(tracking.__file__).parent):
        for file in sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".so")):
            content.update(f"{folder.name}/{file.relative_to(folder)}\n".encode() + file.read_bytes())
    return content.hexdigest()


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns
