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
    """One line of the table. `ratio` compares with the baseline that ran in the same process just before.

    A result with a `figure`, a name that stays, is compared with benchmarks/baseline.json by its `share`: the time over
    that of a yardstick which ran by turns with it, so that it means the same on a machine twice as fast.
    """

    what: str
    median_ms: float
    tenth_ms: float
    promise: str = ""
    ratio: str = ""
    figure: str = ""
    share: float = 0.0


def timed(call: Callable[[int], object], *, calls: int, warm_up: int = 20, first: int = 0) -> tuple[float, float]:
    """Median and 10th percentile, in milliseconds, of `call(first)`, `call(first + 1)`, ..."""
    for index in range(first, first + warm_up):
        call(index)
    taken = np.empty(calls)
    for index in range(calls):
        start = time.perf_counter_ns()
        call(first + index)
        taken[index] = time.perf_counter_ns() - start
    return float(np.median(taken)) / 1e6, float(np.percentile(taken, 10)) / 1e6


def beside(
    yardstick: Callable[[int], object], call: Callable[[int], object], *, calls: int, turns: int = 9
) -> tuple[float, float, float]:
    """Median, 10th percentile, and share: the median of `turns` quotients of the call's time over the yardstick's.

    Both take turns, `calls` calls in all, so that whatever slows the machine for a second slows both.
    """
    medians, tenths, shares = [], [], []
    each = max(3, calls // turns)
    for turn in range(turns):
        unit, _ = timed(yardstick, calls=max(3, each // 4), warm_up=2)
        median, tenth = timed(call, calls=each, warm_up=min(20, each), first=turn * each)
        medians.append(median)
        tenths.append(tenth)
        shares.append(median / unit)
    return float(np.median(medians)), float(np.median(tenths)), float(np.median(shares))


def ordinary_work(_: int) -> int:
    """The yardstick of a feed: what it does too, calls of Python functions and small numpy arrays, about 0.2 ms."""
    total = 0
    for number in range(40):
        chosen = {index: (index * number) % 7 for index in range(24)}
        total += sum(value for value in chosen.values() if value)
        total += int(np.argsort(_SMALL * number)[3]) + int(_SMALL.searchsorted(number))
    return total


_SMALL = np.arange(64, dtype=np.float32)


def largest_cache() -> int:
    """Bytes of the processor's largest cache; 32 MB where the system does not tell."""
    sizes = [path.read_text().strip() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    scale = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    return max((int(size[:-1]) * scale[size[-1]] for size in sizes if size[-1:] in scale), default=32 << 20)


def bandwidth(passes: int = 5) -> float:
    """Bytes a second that one thread reads from memory: the best of some passes over twice the largest cache."""
    column = np.ones(min(2 * largest_cache(), 2 << 30) // 8, dtype=np.int64)
    taken = []
    for _ in range(passes):
        start = time.perf_counter()
        np.bitwise_or.reduce(column)
        taken.append(time.perf_counter() - start)
    return column.nbytes / min(taken)


def machine() -> str:
    """Processor, cores, and versions, in one line."""
    model = platform.processor() or platform.machine()
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    versions = f"Python {platform.python_version()}, numpy {np.__version__}"
    return f"{names[0] if names else model}, {os.cpu_count()} cores, {versions}"
