"""A request's story in four verbs: plan the slots, gather the viewer and the refusals, rank each pool, assemble."""

import numpy as np
from numpy.typing import NDArray

from engine.assemble import Placed, assemble, draft
from engine.bandit.score_table import Formula
from engine.board import Board
from engine.config import EngineConfig
from engine.features import DIMENSIONS, PAIR_COLUMNS, VIDEO_COLUMNS
from engine.feed_types import Feed, FeedItem, FeedRequest, Relaxation
from engine.kernel.base import Kernel
from engine.plan import plan
from engine.pools.table import BANDIT_POOLS
from engine.reasons import reasons

BANDIT_NAMES = [pool.name for pool in BANDIT_POOLS]


def serve(
    kernel: Kernel, config: EngineConfig, formulas: dict[str, Formula], policy_version: str, request: FeedRequest
) -> Feed:
    """One feed. The same world, policy, configuration and request give the same feed."""
    slots = plan(config, request)
    board = gather(kernel, config, request)
    try:
        rank(board)
        placed, relaxed = draft(board, slots), list[Relaxation]()
        if placed is None:
            board.close()
            board = gather(kernel, config, request)
            placed, relaxed = assemble(board, slots)
        features = features_of(board, placed)
    finally:
        board.close()
    return Feed(
        items=items_of(board, placed, features, formulas),
        relaxed=tuple(relaxed),
        short=len(placed) < request.size,
        seed=request.seed,
        snapshot_id=kernel.world.snapshot_id,
        policy_version=policy_version,
        features=features,
    )


def gather(kernel: Kernel, config: EngineConfig, request: FeedRequest) -> Board:
    """The viewer, and everything the rules refuse before the first slot."""
    return Board(kernel, config, request)


def rank(board: Board) -> None:
    """The best candidates of every bandit pool, in one pass over the catalogue."""
    board.rank(BANDIT_NAMES, [pool.limit(board.config) for pool in BANDIT_POOLS])


def features_of(board: Board, placed: list[Placed]) -> NDArray[np.float32]:
    """The eighteen features of what was placed, (n, 18); rows of flows are zero."""
    features = np.zeros((len(placed), DIMENSIONS), dtype=np.float32)
    at = [i for i, item in enumerate(placed) if item.kind == "video"]
    rows = np.array([placed[i].row for i in at], dtype=np.int32)
    if len(rows):
        features[np.ix_(at, VIDEO_COLUMNS)] = board.world.video_features[:, rows].T
        features[np.ix_(at, PAIR_COLUMNS)] = board.sheet.pair_features(rows)
    return features


def items_of(
    board: Board, placed: list[Placed], features: NDArray[np.float32], formulas: dict[str, Formula]
) -> tuple[FeedItem, ...]:
    """Rows become ids, and every item says why it is there."""
    world = board.world
    fresh = np.array([item.kind == "video" and bool(world.video_fresh[item.row]) for item in placed], dtype=np.bool_)
    why = reasons([item.pool for item in placed], features, fresh, formulas)
    items = []
    for index, item in enumerate(placed):
        video = item.kind == "video"
        creator = (world.video_creator if video else world.flow_creator)[item.row]
        items.append(
            FeedItem(
                position=index + 1,
                slot=item.slot,
                pool=item.pool,
                kind=item.kind,
                id=int((world.video_id if video else world.flow_id)[item.row]),
                row=item.row,
                creator_id=int(world.creator_id[creator]),
                score=item.score,
                propensity=item.propensity,
                reason=why[index],
            )
        )
    return tuple(items)
