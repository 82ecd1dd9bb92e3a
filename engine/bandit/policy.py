"""What all bandits know at one version: the sums of VMP, AU and NU and the reward's weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.bandit.statistics import Statistics

LEARNING_POOLS = ("VMP", "AU", "NU")


@dataclass(frozen=True, slots=True)
class Policy:
    """One published version. `weights` (K,) turn reward kinds into the reward; they sum to 1.

    >>> Policy.untrained((0.5, 0.5)).version
    'untrained'
    """

    version: str
    statistics: Mapping[str, Statistics]
    weights: tuple[float, ...]

    @classmethod
    def untrained(cls, weights: Sequence[float]) -> "Policy":
        """The policy before any data, for rewards with these weights per kind."""
        empty = {pool: Statistics.empty(len(weights)) for pool in LEARNING_POOLS}
        return cls("untrained", empty, tuple(weights))
