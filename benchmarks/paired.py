"""Is one tree slower than another? The statistics of paired rounds, and nothing else.

A round is a fresh pair of processes, one a tree, that measure by turns (A B B A), so that what slows the machine for a
while slows both. One process differs from the next for reasons of its own (addresses, hash seeds; Mytkowicz et al.,
"Producing wrong data without doing anything obviously wrong!", ASPLOS 2009), so the round is the unit that is counted
(Kalibera and Jones, "Rigorous benchmarking in reasonable time", ISMM 2013), not the call.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import stats

ALPHA = 0.05
"""The chance that any case of a comparison of equal trees is called different."""
THRESHOLD = 0.05
"""A slowdown smaller than this share is told and forgiven."""
COPIES = 0.01
"""Two copies of one tree differ by up to half a percent in every round: in where their code lies in memory."""


class Side(Protocol):
    """A process that measures one tree."""

    def measure(self, case: str, turn: int) -> float:
        """Milliseconds of the case; both sides do the same work at the same `turn`."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """The time over the other tree's: median of the rounds, and bounds that hold it with the confidence asked for."""

    ratio: float
    low: float
    high: float
    threshold: float = THRESHOLD

    @property
    def regressed(self) -> bool:
        """Slower beyond doubt, and by more than the threshold."""
        return self.low > 1 + COPIES and self.ratio > 1 + self.threshold

    @property
    def word(self) -> str:
        """The verdict for people."""
        if self.regressed:
            return "slower"
        if self.low <= 1 + COPIES and self.high >= 1 / (1 + COPIES):
            return "no difference within noise"
        if 1 / (1 + self.threshold) <= self.ratio <= 1 + self.threshold:
            return f"{'slower' if self.low > 1 else 'faster'} by less than {self.threshold:.0%}"
        return "faster"


def one_round(now: Side, other: Side, cases: Sequence[str], turns: int) -> dict[str, float]:
    """Each case's ratio of `now` over `other`: the median of its turns, so that one stall does not count."""
    logs: dict[str, list[float]] = {case: [] for case in cases}
    for turn in range(turns):
        for case in cases:
            logs[case].append(one_turn(now, other, case, turn))
    return {case: math.exp(statistics.median(values)) for case, values in logs.items()}


def one_turn(now: Side, other: Side, case: str, turn: int) -> float:
    """The logarithm of the ratio, measured A B B A: a steady change of the machine's speed cancels.

    Every other turn the sides change places, because the one inside finds its caches as it left them.
    """
    outer, inner, sign = (now, other, 1) if turn % 2 == 0 else (other, now, -1)
    before, beside, behind, after = (side.measure(case, turn) for side in (outer, inner, inner, outer))
    return sign * math.log(before * after / (beside * behind)) / 2


def verdict(ratios: Sequence[float], *, cases: int = 1, threshold: float = THRESHOLD) -> Verdict:
    """What the rounds of one of `cases` cases say (Bonferroni's correction keeps `ALPHA` for all of them together).

    The bounds are order statistics, exact for any distribution: the interval of the sign test for the median. Raises
    ValueError when there are too few rounds for any bound.
    """
    confidence = 1 - ALPHA / cases
    found: Any = stats.quantile_test(np.log(ratios), q=0, p=0.5).confidence_interval(confidence)
    if math.isnan(found.low) or math.isnan(found.high):
        raise ValueError(f"{len(ratios)} rounds are too few for {cases} cases: {least_rounds(cases)} at least")
    return Verdict(float(np.median(ratios)), math.exp(found.low), math.exp(found.high), threshold)


def least_rounds(cases: int) -> int:
    """The fewest rounds that can tell a difference.

    >>> least_rounds(1), least_rounds(6)
    (6, 8)
    """
    return math.ceil(math.log2(2 * cases / ALPHA))


def verdicts(rounds: Sequence[Mapping[str, float]], threshold: float = THRESHOLD) -> dict[str, Verdict]:
    """A verdict a case."""
    cases = list(rounds[0])
    return {case: verdict([one[case] for one in rounds], cases=len(cases), threshold=threshold) for case in cases}
