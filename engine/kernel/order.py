"""The order in which the compiled kernel reads a score table, and the bounds that let it stop or skip.

A score is convex in the pair features (linear plus the norm of an affine function), so over the unit cube its largest
value is at a corner: `peak` is exact up to rounding. A table in which the viewer's closeness hardly counts is read from
its highest peak down and ends where no peak reaches the k-th best score so far (the threshold algorithm of Fagin,
Lotem and Naor, 2003). A table that closeness decides is read in the catalogue's order and skips what cannot win.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bandit.score_table import ScoreTable
from engine.kernel._kernel import ffi, lib

CLOSENESS = 2  # skill_similarity and extended_match, the first two pair features

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Ordered:
    """A score table as the C code reads it. Holds the arrays that `c_table` points into."""

    c_table: Any
    arrays: tuple[NDArray[Any], ...]

    @classmethod
    def of(cls, table: ScoreTable) -> "Ordered":
        """Choose the order, compute the peaks, and lay the table out for reading."""
        if _closeness_decides(table):
            plain = _laid_out(table, None, table.base, table.rest, table.v)
            return _with_peaks(plain, CLOSENESS, table.base)
        admitted = np.flatnonzero(np.isfinite(table.base)).astype(np.int32)
        base, rest, v = table.base[admitted], table.rest[admitted], np.ascontiguousarray(table.v[:, admitted])
        first = _with_peaks(_laid_out(table, None, base, rest, v), 0, base)
        peak = first.arrays[-1]
        order = np.argsort(-peak, kind="stable")
        sorted_v = np.ascontiguousarray(v[:, order])
        return _pointing(_laid_out(table, admitted[order], base[order], rest[order], sorted_v), peak[order])


def _closeness_decides(table: ScoreTable) -> bool:
    """Whether a viewer's closeness can move a video further than the videos differ by themselves."""
    own = table.base[np.isfinite(table.base)]
    return len(own) > 0 and float(np.maximum(table.c[:CLOSENESS], 0.0).sum()) > float(own.std())


def _laid_out(table: ScoreTable, row: NDArray[np.int32] | None, base: Floats, rest: Floats, v: Floats) -> Ordered:
    c_table = ffi.new("tf_table *")
    c_table.entries = len(base)
    c_table.row = ffi.NULL if row is None else ffi.from_buffer("int32_t[]", row)
    c_table.base, c_table.rest = ffi.from_buffer("float[]", base), ffi.from_buffer("float[]", rest)
    c_table.v = ffi.from_buffer("float[]", v)
    c_table.c, c_table.l = table.c.tolist(), table.lower.ravel().tolist()
    return Ordered(c_table, (base, rest, v) if row is None else (base, rest, v, row))


def _with_peaks(ordered: Ordered, without: int, base: Floats) -> Ordered:
    peak = np.empty(len(base), dtype=np.float32)
    lib.tf_peaks(ordered.c_table, without, ffi.from_buffer("float[]", peak))
    return _pointing(ordered, peak)


def _pointing(ordered: Ordered, peak: Floats) -> Ordered:
    ordered.c_table.peak = ffi.from_buffer("float[]", peak)
    return Ordered(ordered.c_table, (*ordered.arrays, peak))
