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
class OrderedTable:
    """A score table of n entries as it is read: plain arrays, which may as well be mapped from files.

    row: (n,) int32, the video of each entry, or None where entry i is the video i; peak, base, rest: (n,) float32;
    v: (5, n), c: (5,) and lower: (5, 5) float32, as in `ScoreTable`. With `row`, peak descends.
    """

    row: NDArray[np.int32] | None
    peak: Floats
    base: Floats
    rest: Floats
    v: Floats
    c: Floats
    lower: Floats


def in_order(table: ScoreTable) -> OrderedTable:
    """Choose the order, compute the peaks, and lay the table out for reading."""
    if _closeness_decides(table):
        return OrderedTable(None, _peaks(table, CLOSENESS), table.base, table.rest, table.v, table.c, table.lower)
    admitted = np.flatnonzero(np.isfinite(table.base)).astype(np.int32)
    base, rest, v = table.base[admitted], table.rest[admitted], np.ascontiguousarray(table.v[:, admitted])
    peak = _peaks(ScoreTable(base, rest, v, table.c, table.lower), 0)
    order = np.argsort(-peak, kind="stable")
    sorted_v = np.ascontiguousarray(v[:, order])
    return OrderedTable(admitted[order], peak[order], base[order], rest[order], sorted_v, table.c, table.lower)


@dataclass(frozen=True, slots=True, eq=False)
class Ordered:
    """An ordered table as the C code reads it. Holds the arrays that `c_table` points into."""

    c_table: Any
    table: OrderedTable

    @classmethod
    def of(cls, table: ScoreTable | OrderedTable) -> "Ordered":
        """Point at a table, which is put in order first unless it is."""
        ordered = table if isinstance(table, OrderedTable) else in_order(table)
        c_table = _c_table(ordered)
        c_table.row = ffi.NULL if ordered.row is None else ffi.from_buffer("int32_t[]", ordered.row)
        c_table.peak = ffi.from_buffer("float[]", ordered.peak)
        return cls(c_table, ordered)


def _closeness_decides(table: ScoreTable) -> bool:
    """Whether a viewer's closeness can move a video further than the videos differ by themselves."""
    own = table.base[np.isfinite(table.base)]
    return len(own) > 0 and float(np.maximum(table.c[:CLOSENESS], 0.0).sum()) > float(own.std())


def _peaks(table: ScoreTable, without: int) -> Floats:
    peak = np.empty(len(table.base), dtype=np.float32)
    lib.tf_peaks(_c_table(table), without, ffi.from_buffer("float[]", peak))
    return peak


def _c_table(table: ScoreTable | OrderedTable) -> Any:
    """The C struct without an order; `table` must outlive it."""
    c_table = ffi.new("tf_table *")
    c_table.entries = len(table.base)
    c_table.base, c_table.rest = ffi.from_buffer("float[]", table.base), ffi.from_buffer("float[]", table.rest)
    c_table.v = ffi.from_buffer("float[]", table.v)
    c_table.c, c_table.l = table.c.tolist(), table.lower.ravel().tolist()
    return c_table
