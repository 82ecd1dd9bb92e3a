"""Fill the slots one after another, relax rules where a slot would stay empty, and say what gave way."""

from typing import NamedTuple

from engine.board import Board
from engine.feed_types import Relaxation
from engine.plan import Slot
from engine.pools.base import Choice, Pool
from engine.pools.table import EXPLORERS, POOLS
from engine.rules.creator_window import CreatorWindow

SHORT = "short"


class Placed(NamedTuple):
    """A filled slot, still in rows.

    `slot` is the planned pool, `source` the one whose turn it was after borrowing, `pool` the one that took the item:
    `source`, or EXPLORE when the slot turned.
    """

    slot: str
    source: str
    pool: str
    kind: str
    row: int
    score: float | None
    propensity: float


def assemble(board: Board, slots: list[Slot]) -> tuple[list[Placed], list[Relaxation]]:
    """The feed's items in order, and every relaxation. Stops at the first slot that nothing can fill."""
    placed: list[Placed] = []
    relaxed: list[Relaxation] = []
    for slot in slots:
        item = _fill(board, slot)
        if item is None:
            relaxed.append(Relaxation(board.position + 1, SHORT))
            break
        relaxed.extend(_gave_way(board, slot, item))
        board.place(item.kind, item.row)
        placed.append(item)
    return placed, relaxed


def _fill(board: Board, slot: Slot) -> Placed | None:
    """Climb the ladder: at each rung the slot's own pool, then those it borrows from."""
    planned = POOLS[slot.pool]
    for rung in board.ladder:
        board.rung = rung
        for name in (planned.name, *planned.borrows):
            choice = POOLS[name].choose(board)
            if choice is not None:
                return _take(board, slot, POOLS[name], choice)
    return None


def _take(board: Board, slot: Slot, source: Pool, choice: Choice) -> Placed:
    """Turn the slot into EXPLORE or not; the propensity counts both ways to arrive at the same item."""
    explorer = EXPLORERS[source.kind]
    explored = explorer.choose(board) if slot.turned or source.name == explorer.name else None
    taken, pool = (choice, source) if explored is None else (explored, explorer)
    chance = propensity(board, source, taken.row)
    return Placed(slot.pool, source.name, pool.name, source.kind, taken.row, taken.score, chance)


def propensity(board: Board, source: Pool, row: int) -> float:
    """The chance that this slot takes this row when `source` fills it, over all draws: what the feed's items carry."""
    rate, explorer = board.config.explore_rate, EXPLORERS[source.kind]
    if source.name == explorer.name:
        return explorer.probability(board, row)
    return (1.0 - rate) * source.probability(board, row) + rate * explorer.probability(board, row)


def _gave_way(board: Board, slot: Slot, item: Placed) -> list[Relaxation]:
    """The rules that this item breaks and that were relaxed for it, most gentle first."""
    broken: list[str] = []
    # A slot that turned was going to be EXPLORE's whoever else had nothing left, but not of another kind of item.
    if item.source != item.slot and not (slot.turned and item.kind == POOLS[item.slot].kind):
        broken.append(f"pool:{item.pool}")
    if board.is_watched(item.kind, item.row):
        broken.append("watched")
    creators = board.world.video_creator if item.kind == "video" else board.world.flow_creator
    if board.creator_window.refuses(int(creators[item.row]), board.position, board.config.creator_window):
        broken.append(f"{CreatorWindow.name}:{board.rung.window}")
    return [Relaxation(board.position + 1, rule) for rule in broken]
