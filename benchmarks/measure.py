"""Time calls, keep the median, say what machine it was."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table. `ratio` compares with the baseline that ran in the same process just before."""

    what: str
    median_ms: float
    tenth_ms: float
    promise: str = ""
    ratio: str = ""


def timed(call: Callable[[int], object], *, calls: int, warm_up: int = 20) -> tuple[float, float]:
    """Median and 10th percentile, in milliseconds, of `call(0)`, `call(1)`, ..."""
    for index in range(warm_up):
        call(index)
    taken = np.empty(calls)
    for index in range(calls):
        start = time.perf_counter_ns()
        call(index)
        taken[index] = time.perf_counter_ns() - start
    return float(np.median(taken)) / 1e6, float(np.percentile(taken, 10)) / 1e6


def machine() -> str:
    """Processor, cores, and versions, in one line."""
    model = platform.processor() or platform.machine()
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    versions = f"Python {platform.python_version()}, numpy {np.__version__}"
    return f"{names[0] if names else model}, {os.cpu_count()} cores, {versions}"
