"""Measured figures against what was promised: one line each, and an exit code that says whether all were kept."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """A figure and the most that it may be, both in `unit`. What could not be measured (NaN) is not kept."""

    what: str
    value: float
    most: float
    unit: str = ""

    @property
    def kept(self) -> bool:
        """Is the figure within its bound?"""
        return self.value <= self.most

    def __str__(self) -> str:
        """The promise in one line.

        >>> print(Promise("2 workers: slowest switch", 2.5, 2, "s"))
        broken: 2 workers: slowest switch: 2.5 s, at most 2 s
        """
        word, unit = "kept" if self.kept else "broken", f" {self.unit}" if self.unit else ""
        return f"{word}: {self.what}: {self.value:.4g}{unit}, at most {self.most:.4g}{unit}"


def verdict(promises: Sequence[Promise]) -> int:
    """Say which promises were broken, on standard error; the exit code: 0 when all were kept, else 1."""
    broken = [promise for promise in promises if not promise.kept]
    for promise in broken:
        print(promise, file=sys.stderr)
    print(f"{len(promises) - len(broken)} of {len(promises)} promises kept", file=sys.stderr)
    return 1 if broken else 0
