"""The upper confidence bound and the best 24 of 100,000 videos x 18 features: this kernel, numpy, and other libraries.

Other libraries get the finished matrix; this kernel also computes the five features of the pair. All must name the same
best 24. `make bench-peers` installs the libraries beside the project; without them their lines are left out.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Result, beside
from benchmarks.worlds import catalogue
from engine.bandit.linucb import Model, solve
from engine.bandit.score_table import Formula, no_bonus, score_table
from engine.bandit.statistics import Statistics
from engine.features import DIMENSIONS, PAIR_COLUMNS, VIDEO_COLUMNS, scaled
from engine.kernel.base import EVERY_FLAG, Viewer
from engine.kernel.compiled import CompiledKernel
from engine.world import World

VIDEOS, BEST, TRAINED, WIDTH = 100_000, 24, 2_000, 1.5
PEERS_PYTHON = Path(__file__).resolve().parent.parent / ".venv-peers" / "bin" / "python"


def run() -> list[Result]:
    """Numpy first (the baseline), then the kernel, then whoever is installed."""
    world = catalogue(VIDEOS)
    viewer = Viewer.of(world, 5, 1)
    matrix = features(world, viewer)
    random = np.random.default_rng(1)
    rows = random.integers(0, VIDEOS, TRAINED)
    rewards = (random.random(TRAINED) < 0.2 + 0.3 * matrix[rows, 5]).astype(np.float64)
    model = trained(matrix[rows], rewards)
    kernel = bandit_kernel(world, model)
    expected = set(numpy_best(matrix, model).tolist())
    if set(kernel_best(kernel, viewer).tolist()) != expected:
        raise AssertionError("the kernel and numpy name different videos")
    ours, ours_tenth, share = beside(
        lambda _: numpy_best(matrix, model), lambda _: kernel_best(kernel, viewer), calls=300
    )
    plain = ours / share
    what = f"the best {BEST} of {VIDEOS:,} x {DIMENSIONS}"
    results = [
        Result(f"{what}, numpy float32", plain, plain, ratio="baseline"),
        Result(
            f"{what}, this kernel",
            ours,
            ours_tenth,
            "20 times a peer",
            f"{1 / share:.1f} times numpy",
            "best_24",
            share,
        ),
    ]
    for name, median, tenth, agree in peers(matrix, rows, rewards, expected):
        note = f"{median / ours:.0f} times slower" + ("" if agree else ", other items")
        results.append(Result(f"{what}, {name}", median, tenth, ratio=note))
    return results


def features(world: World, viewer: Viewer) -> NDArray[np.float32]:
    """The whole matrix for one viewer, (VIDEOS, 18)."""
    matrix = np.empty((world.videos, DIMENSIONS), dtype=np.float32)
    matrix[:, VIDEO_COLUMNS] = world.video_features.T
    sheet = CompiledKernel(world, {}, 0.25).sheet(viewer)
    matrix[:, PAIR_COLUMNS] = sheet.pair_features(np.arange(world.videos, dtype=np.int32))
    return matrix


def trained(matrix: NDArray[np.float32], rewards: NDArray[np.float64]) -> Model:
    """Plain LinUCB: no item effects."""
    statistics = Statistics.empty(1)
    statistics.observe(scaled(matrix), rewards[:, None], np.zeros(len(rewards), dtype=np.int64))
    return solve(statistics, np.ones(1), ridge=1.0, item_effects=False, prior_deviation=0.15)


def bandit_kernel(world: World, model: Model) -> CompiledKernel:
    """A kernel with one table, the bare upper confidence bound of all videos."""
    table = score_table(
        model,
        Formula(WIDTH / model.noise, 0.0, no_bonus()),
        video_id=world.video_id,
        features=world.video_features,
        fresh=world.video_fresh,
        admitted=np.ones(world.videos, dtype=np.bool_),
    )
    return CompiledKernel(world, {"UCB": table}, 0.25)


def kernel_best(kernel: CompiledKernel, viewer: Viewer) -> NDArray[np.int32]:
    """From the viewer to the best rows, pair features included."""
    sheet = kernel.sheet(viewer)
    (ranked,) = sheet.rank(["UCB"], [BEST], EVERY_FLAG)
    sheet.wipe()
    return ranked.rows


def numpy_best(matrix: NDArray[np.float32], model: Model) -> NDArray[np.intp]:
    """The usual way: one product, one quadratic form, one partition, all in float32."""
    x = matrix * np.float32(1 / np.sqrt(DIMENSIONS))
    spread = np.einsum("ij,ij->i", x @ model.inverse.astype(np.float32), x)
    scores = x @ model.theta.astype(np.float32) + np.float32(WIDTH) * np.sqrt(spread)
    return np.argpartition(-scores, BEST)[:BEST]


def peers(
    matrix: NDArray[np.float32], rows: NDArray[np.int64], rewards: NDArray[np.float64], expected: set[int]
) -> list[tuple[str, float, float, bool]]:
    """Name, median and 10th percentile in ms, and whether the same items came out, of each installed library."""
    if not PEERS_PYTHON.exists():
        return []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.npz"
        np.savez(path, x=scaled(matrix), rows=rows, rewards=rewards, width=WIDTH, best=BEST)
        script = Path(__file__).with_name("peers.py")
        command = [str(PEERS_PYTHON), str(script), str(path)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout
    lines = [json.loads(line) for line in answer.splitlines() if line.startswith("{")]
    return [(line["name"], line["median"], line["tenth"], set(line["best"]) == expected) for line in lines]
