"""EXPLORE: uniform over everything eligible. Unbiased data for learning, and the last resort of every other pool."""

from engine.board import Board
from engine.config import EngineConfig
from engine.kernel.base import Source
from engine.pools.base import Choice

QUICK_DRAWS = 32


class Explore:
    """Takes any video that no rule refuses, each with the same chance."""

    name = "EXPLORE"
    kind = "video"
    borrows: tuple[str, ...] = ()

    def source(self, config: EngineConfig) -> Source | None:
        return Source("explore", 1)

    def choose(self, board: Board) -> Choice | None:
        if not board.eligible_videos():
            return None
        return Choice(self._uniform(board), None)

    def probability(self, board: Board, row: int) -> float:
        return 0.0 if board.refuses(row) else 1.0 / board.eligible_videos()

    @staticmethod
    def _uniform(board: Board) -> int:
        """Rejection first: each accepted row is uniform, and most catalogues refuse little; then by enumeration."""
        for attempt in range(QUICK_DRAWS):
            row = int(board.draw("explore", attempt) * board.world.videos)
            if not board.refuses(row):
                return row
        rows = board.eligible_rows()
        return int(rows[int(board.draw("explore", QUICK_DRAWS) * len(rows))])


class ExploreFlows:
    """What EXPLORE is to a slot of flows: any flow that no rule refuses, each with the same chance."""

    name = "EXPLORE"
    kind = "flow"
    borrows: tuple[str, ...] = ()

    def source(self, config: EngineConfig) -> Source | None:
        return None

    def choose(self, board: Board) -> Choice | None:
        rows = board.allowed_flows()
        if not len(rows):
            return None
        return Choice(int(rows[int(board.draw("explore") * len(rows))]), None)

    def probability(self, board: Board, row: int) -> float:
        rows = board.allowed_flows()
        return 1.0 / len(rows) if (rows == row).any() else 0.0
