"""What a pool is, and what the three bandit pools share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.bandit.score_table import Formula
from engine.board import Board
from engine.config import EngineConfig
from engine.world import World


@dataclass(frozen=True, slots=True)
class Choice:
    """What a pool takes at a slot: a row, its score (None where nothing is scored), the chance it had."""

    row: int
    score: float | None
    probability: float


class Pool(Protocol):
    """A source of candidates and a way to pick one. `kind` is "video" or "flow"; `borrows` help when it is empty."""

    name: str
    kind: str
    borrows: tuple[str, ...]

    def choose(self, board: Board) -> Choice | None:
        """Take one of the candidates that no rule refuses at the board's slot, or None where none is left."""

    def probability(self, board: Board, row: int) -> float:
        """The chance that `choose` takes this row at the board's slot, over all draws; 0 for rows out of reach."""


class BanditPool(ABC):
    """A pool whose candidates a LinUCB bandit scores, with the pool's own bonuses on top (`formula`)."""

    name: str
    kind = "video"
    borrows: tuple[str, ...]

    @abstractmethod
    def formula(self, config: EngineConfig) -> Formula:
        """The final score: widths and bonuses."""

    @abstractmethod
    def admits(self, world: World) -> NDArray[np.bool_]:
        """Who may appear, (N,)."""

    @abstractmethod
    def limit(self, config: EngineConfig) -> int:
        """How many of the best candidates the choice is among."""

    @abstractmethod
    def probabilities(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """The chance of each candidate, best first; sums to 1."""

    def choose(self, board: Board) -> Choice | None:
        allowed = board.allowed(self.name, self.limit(board.config))
        if not len(allowed.rows):
            return None
        chances = self.probabilities(allowed.scores)
        index = pick(chances, board.draw("choice"))
        return Choice(int(allowed.rows[index]), float(allowed.scores[index]), float(chances[index]))

    def probability(self, board: Board, row: int) -> float:
        allowed = board.allowed(self.name, self.limit(board.config))
        place = np.flatnonzero(allowed.rows == row)
        return float(self.probabilities(allowed.scores)[place[0]]) if len(place) else 0.0


def pick(chances: NDArray[np.float64], draw: float) -> int:
    """The index a uniform draw in [0, 1) falls on.

    >>> pick(np.array([0.25, 0.75]), 0.3)
    1
    """
    if len(chances) == 1:
        return 0
    cumulative = chances.cumsum()
    return min(int(np.searchsorted(cumulative, draw * cumulative[-1], side="right")), len(chances) - 1)
