"""Score tables are computed once for all workers of a machine, and no trouble with their files costs a feed."""

import mmap
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from api import score_tables
from api.files import locked
from api.score_tables import ScoreTables, Taken
from data.snapshot import SnapshotStore
from engine.bandit.policy import Policy
from engine.build.build import build
from engine.config import EngineConfig
from engine.engine import Engine
from engine.features import DIMENSIONS
from engine.feed_types import FeedRequest
from engine.world import World
from tests.engine.build.worlds import tables, video
from tests.promises.test_snapshot_faults import cut, empty, flip, largest_file
from tracking.policies import PolicyStore
from tracking.state import State

CONFIG = EngineConfig()


class Place:
    """A DATA_DIR with a snapshot and a policy that has learnt something."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.policies = folder, PolicyStore(folder / "policies")
        store = SnapshotStore(folder / "snapshots")
        store.publish(*build(tables(videos=[video(number) for number in range(1, 400)]), CONFIG))
        self.world = World.of(store.open_current())
        self.learn(1)

    def learn(self, seed: int) -> None:
        """Publish another version."""
        state, random = State.empty(), np.random.default_rng(seed)
        for bandit in state.bandits.values():
            x, rewards = random.random((50, DIMENSIONS)) / 4, random.random((50, bandit.sums.kinds))
            bandit.observe(x, rewards, random.integers(1, 400, 50), np.zeros(50))
        self.policies.publish(state)

    def worker(self, config: EngineConfig = CONFIG) -> ScoreTables:
        """What a worker that starts now would hold."""
        return ScoreTables(self.folder / "tables", self.policies, config)

    def take(self, worker: ScoreTables) -> Taken:
        """The current tables."""
        return worker.take(self.world, self.policies.current_version())

    def folders(self) -> list[Path]:
        """What was published, the latest first."""
        found = [path for path in (self.folder / "tables").iterdir() if path.is_dir()]
        return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)

    def assert_right(self, taken: Taken, config: EngineConfig = CONFIG) -> None:
        """Feeds are those of an engine that computed everything itself."""
        policy = self.policies.load_current()
        own = Engine(self.world, policy, config)
        engine = Engine(self.world, Policy(taken.version, {}, ()), config, tables=taken.tables)
        assert taken.version == policy.version
        for seed in range(5):
            request = FeedRequest(user_id=seed, seed=seed)
            assert own.render(own.feed(request)) == engine.render(engine.feed(request))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The policy versions that were computed."""
    versions: list[str] = []
    compute = score_tables.ready_tables

    def counted(world: World, policy: Policy, config: EngineConfig) -> object:
        versions.append(policy.version)
        return compute(world, policy, config)

    monkeypatch.setattr(score_tables, "ready_tables", counted)
    return versions


def is_mapped(array: "np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None") -> bool:
    """Whether the array lies in a file."""
    base: object = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    return base is not None


def test_the_second_worker_maps_what_the_first_computed(place: Place, computed: list[str]) -> None:
    for worker in (place.worker(), place.worker()):
        taken = place.take(worker)
        assert all(is_mapped(table.v) and is_mapped(table.base) for table in taken.tables.values())
        place.assert_right(taken)
        assert worker.problem == ""
    assert computed == [place.policies.current_version()]


def test_before_anything_was_learnt_the_untrained_tables_are_shared_too(place: Place, computed: list[str]) -> None:
    shutil.rmtree(place.folder / "policies")
    for _ in range(2):
        place.assert_right(place.take(place.worker()))
    assert computed == ["untrained"]


STARTED = """
import sys
from pathlib import Path
from api import score_tables
from data.snapshot import SnapshotStore
from engine.config import EngineConfig
from engine.world import World
from tracking.policies import PolicyStore

folder, compute = Path(sys.argv[1]), score_tables.ready_tables
def told(*given):
    print("computed", flush=True)
    return compute(*given)
score_tables.ready_tables = told
policies = PolicyStore(folder / "policies")
worker = score_tables.ScoreTables(folder / "tables", policies, EngineConfig())
world = World.of(SnapshotStore(folder / "snapshots").open_current())
sys.stdin.read(1)
worker.take(world, policies.current_version())
print(worker.problem)
"""


def test_workers_that_start_at_once_compute_them_once(place: Place) -> None:
    command = [sys.executable, "-c", STARTED, str(place.folder)]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("x")
        worker.stdin.flush()
    answers = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert sorted(answers) == [[], [], ["computed"]]


@pytest.mark.parametrize("damage", [cut, flip, empty, Path.unlink])
@pytest.mark.parametrize("name", ["AU.v.npy", "VMP.bounds.npy", "manifest.json"])
def test_damaged_tables_are_computed_anew(
    place: Place, computed: list[str], damage: Callable[[Path], None], name: str
) -> None:
    place.take(place.worker())
    damage(place.folders()[0] / name)
    worker = place.worker()
    place.assert_right(place.take(worker))
    assert (worker.problem, len(computed)) == ("", 2)
    place.take(place.worker())
    assert len(computed) == 2


def test_a_full_disk_costs_memory_and_no_feed(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    worker = place.worker()
    with largest_file(2_000):
        place.assert_right(place.take(worker))
        place.take(worker)
        assert "File too large" in worker.problem
    assert caplog.text.count("score tables cannot be shared") == 1
    assert not place.folders()
    place.assert_right(place.take(worker))
    assert worker.problem == ""


def test_a_place_that_takes_no_files_costs_memory_and_no_feed(place: Place) -> None:
    (place.folder / "tables").touch()
    worker = place.worker()
    place.assert_right(place.take(worker))
    assert str(place.folder / "tables") in worker.problem


def test_a_worker_does_not_wait_for_ever_for_another(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_tables, "LOCK_SECONDS", 0.1)
    worker = place.worker()
    with locked(place.folder / "tables" / ".lock"):
        place.assert_right(place.take(worker))
    assert "another process has held it" in worker.problem


def test_other_numbers_other_code_and_another_version_never_meet_the_same_tables(
    place: Place, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.take(place.worker())
    wider = replace(CONFIG, au_alpha=9.0)
    place.assert_right(place.take(place.worker(wider)), wider)
    place.learn(2)
    place.assert_right(place.take(place.worker()))
    monkeypatch.setattr(score_tables, "code_checksum", lambda: "another version")
    place.assert_right(place.take(place.worker()))
    assert len(computed) == 4


def test_old_tables_go_and_who_has_them_mapped_keeps_them(place: Place) -> None:
    taken, version = place.take(place.worker()), place.policies.current_version()
    engine = Engine(place.world, Policy(str(version), {}, ()), CONFIG, tables=taken.tables)
    before = engine.render(engine.feed(FeedRequest(user_id=1, seed=1)))
    first = place.folders()[0]
    abandoned = place.folder / "tables" / "building.tmp-999999999-x"
    abandoned.mkdir()
    for seed in range(2, 2 + score_tables.KEEP):
        place.learn(seed)
        place.take(place.worker())
    assert len(place.folders()) == score_tables.KEEP
    assert not first.exists()
    assert not abandoned.exists()
    assert engine.render(engine.feed(FeedRequest(user_id=1, seed=1))) == before


def test_a_damaged_policy_serves_the_version_before_it(place: Place, computed: list[str]) -> None:
    place.take(place.worker())
    version = place.policies.current_version()
    place.learn(2)
    os.truncate(place.folder / "policies" / f"{place.policies.current_version()}.npz", 100)
    taken = place.take(place.worker())
    assert taken.version == version
    assert computed == [version]
