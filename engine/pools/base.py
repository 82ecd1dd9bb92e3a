"""What a pool is, and what the three bandit pools share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.bandit.score_table import Formula
from engine.board import Board
from engine.config import EngineConfig
from engine.kernel.base import Source
from engine.pools.picks import Pick, pick_index, probabilities
from engine.world import World


@dataclass(frozen=True, slots=True)
class Choice:
    """What a pool takes at a slot: a row, and its score (None where nothing is scored)."""

    row: int
    score: float | None


class Pool(Protocol):
    """A source of candidates and a way to pick one. `kind` is "video" or "flow"; `borrows` help when it is empty."""

    name: str
    kind: str
    borrows: tuple[str, ...]

    def source(self, config: EngineConfig) -> Source | None:
        """How the kernel may draft for this pool; None for a pool with a way of its own."""

    def choose(self, board: Board) -> Choice | None:
        """Take one of the candidates that no rule refuses at the board's slot, or None where none is left."""

    def probability(self, board: Board, row: int) -> float:
        """The chance that `choose` takes this row at the board's slot, over all draws; 0 for rows out of reach."""


class BanditPool(ABC):
    """A pool whose candidates a LinUCB bandit scores, with the pool's own bonuses on top (`formula`).

    `pick` says how it picks among the `limit` best that no rule refuses.
    """

    name: str
    kind = "video"
    borrows: tuple[str, ...]
    pick: Pick

    @abstractmethod
    def formula(self, config: EngineConfig) -> Formula:
        """The final score: widths and bonuses."""

    @abstractmethod
    def admits(self, world: World) -> NDArray[np.bool_]:
        """Who may appear, (N,)."""

    @abstractmethod
    def limit(self, config: EngineConfig) -> int:
        """How many of the best candidates the choice is among."""

    def source(self, config: EngineConfig) -> Source | None:
        return Source(self.pick.value, self.limit(config), self.formula(config))

    def choose(self, board: Board) -> Choice | None:
        allowed = board.allowed(self.name, self.limit(board.config))
        if not len(allowed.rows):
            return None
        chances = probabilities(self.pick, allowed.scores)
        index = pick_index(chances, board.draw("choice"))
        return Choice(int(allowed.rows[index]), float(allowed.scores[index]))

    def probability(self, board: Board, row: int) -> float:
        allowed = board.allowed(self.name, self.limit(board.config))
        place = np.flatnonzero(allowed.rows == row)
        return float(probabilities(self.pick, allowed.scores)[place[0]]) if len(place) else 0.0
