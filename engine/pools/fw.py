"""FW, flows: challenges instead of videos, fresh ones more often."""

import numpy as np
from numpy.typing import NDArray

from engine.board import Board
from engine.config import EngineConfig
from engine.kernel.base import Source
from engine.pools.base import Choice

MOST_PANELS, NODES = 16, 8
ABSCISSAE, WEIGHTS = np.polynomial.legendre.leggauss(NODES)


class Flows:
    """Takes the flow with the highest U(0, width) + bonus * freshness; each slot draws anew."""

    name = "FW"
    kind = "flow"
    borrows: tuple[str, ...] = ("VMP", "AU", "NU", "EXPLORE")

    def source(self, config: EngineConfig) -> Source | None:
        return Source("flows", 1)

    def choose(self, board: Board) -> Choice | None:
        rows = board.allowed_flows()
        if not len(rows):
            return None
        draws = board.draws("flow", board.world.flows)[rows]
        scores = board.config.fw_random * draws + self._head_start(board, rows)
        index = int(scores.argmax())
        return Choice(int(rows[index]), float(scores[index]))

    def probability(self, board: Board, row: int) -> float:
        rows = board.allowed_flows()
        place = np.flatnonzero(rows == row)
        if not len(place):
            return 0.0
        return winning_probability(self._head_start(board, rows), board.config.fw_random, int(place[0]))

    @staticmethod
    def _head_start(board: Board, rows: NDArray[np.int32]) -> NDArray[np.float64]:
        return np.asarray(board.config.fw_temporal * board.world.flow_temporal[rows].astype(np.float64))


def winning_probability(head_start: NDArray[np.float64], width: float, index: int) -> float:
    """The chance that `head_start[index] + U(0, width)` is the largest of all, each with its own uniform draw.

    The integral over the winner's score of the others' distribution functions: between the scores at which a rival is
    certainly beaten it is a polynomial, which Gauss-Legendre quadrature integrates; exact to about 1e-6.

    >>> round(winning_probability(np.zeros(4), 40.0, 2), 9)
    0.25
    """
    own = float(head_start[index])
    low, high = float(head_start.max()), own + width
    if low >= high:
        return 0.0
    ceiling = head_start + width
    rivals = head_start[ceiling > low]
    kinks = np.sort(ceiling[(ceiling > low) & (ceiling < high)])[:: 1 + len(rivals) // MOST_PANELS]
    edges = np.concatenate(([low], kinks, [high]))
    half = 0.5 * (edges[1:] - edges[:-1])
    scores = (half[:, None] * ABSCISSAE + (edges[:-1] + half)[:, None]).ravel()
    # The product runs over all flows, the winner included; dividing its own factor out leaves the rivals'.
    beaten = np.minimum((scores[:, None] - rivals) / width, 1.0).prod(axis=1) / ((scores - own) / width)
    return min(1.0, float(beaten @ (half[:, None] * WEIGHTS).ravel()) / width)
