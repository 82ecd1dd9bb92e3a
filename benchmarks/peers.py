"""Other libraries on the task of `scoring.py`; runs in an environment of its own, which has them and not this project.

Usage: peers.py task.npz. Prints one JSON object a library.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np

warnings.filterwarnings("ignore")


def main(path: str) -> None:
    """Fit each library on the trained rows, time its scores of all rows and the best of them."""
    task = np.load(path)
    for make in (contextualbandits, mabwiser, vowpalwabbit):
        for name, scores in make(task):
            best, taken = np.zeros(0), []
            for _ in range(7):
                start = time.perf_counter_ns()
                best = np.argpartition(-scores(), int(task["best"]))[: int(task["best"])]
                taken.append((time.perf_counter_ns() - start) / 1e6)
            median, tenth = float(np.median(taken)), float(np.percentile(taken, 10))
            print(json.dumps({"name": name, "median": median, "tenth": tenth, "best": best.tolist()}), flush=True)


def contextualbandits(task: dict) -> Iterator[tuple[str, Callable[[], np.ndarray]]]:
    """Its LinUCB with two arms, the first of which is the shared model."""
    from contextualbandits.online import LinUCB

    x = np.ascontiguousarray(task["x"])
    rows, rewards = task["rows"], task["rewards"]
    model = LinUCB(2, alpha=float(task["width"]), lambda_=1.0, fit_intercept=False, beta_prior=None, njobs=1)
    model.fit(x[rows], np.zeros(len(rows), dtype=int), rewards)
    yield "contextualbandits", lambda: model.decision_function(x)[:, 0]


def mabwiser(task: dict) -> Iterator[tuple[str, Callable[[], np.ndarray]]]:
    """Its LinUCB with one arm that does something and one that does not."""
    from mabwiser.mab import MAB, LearningPolicy

    x, rows = np.ascontiguousarray(task["x"]), task["rows"]
    model = MAB([0, 1], LearningPolicy.LinUCB(alpha=float(task["width"]), l2_lambda=1.0))
    model.fit(np.zeros(len(rows), dtype=int), task["rewards"], x[rows])
    yield "MABWiser", lambda: np.array([arms[0] for arms in model.predict_expectations(x)])


def vowpalwabbit(task: dict) -> Iterator[tuple[str, Callable[[], np.ndarray]]]:
    """Its squared-loss regression alone, without any bound: a lower limit of what its bandits take."""
    from vowpalwabbit import pyvw

    x, rows = task["x"], task["rows"]
    model = pyvw.Workspace("--quiet --noconstant")
    lines = [" ".join(f"{i}:{value:.5f}" for i, value in enumerate(row)) for row in x]
    for row, reward in zip(rows, task["rewards"], strict=True):
        model.learn(f"{reward} | {lines[row]}")
    examples = [model.parse(f"| {line}") for line in lines]
    yield "VowpalWabbit (mean only, parsed before)", lambda: np.array([model.predict(one) for one in examples])


if __name__ == "__main__":
    main(sys.argv[1])
