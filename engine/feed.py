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
    """The best candidates of every bandit pool."""
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
    identity, creator, fresh = [0] * len(placed), [0] * len(placed), [False] * len(placed)
    for kind, ids, creators in (
        ("video", world.video_id, world.video_creator),
        ("flow", world.flow_id, world.flow_creator),
    ):
        at = [index for index, item in enumerate(placed) if item.kind == kind]
        rows = [placed[index].row for index in at]
        new = world.video_fresh[rows].tolist() if kind == "video" else [0] * len(rows)
        found = zip(at, ids[rows].tolist(), world.creator_id[creators[rows]].tolist(), new, strict=True)
        for index, item_id, creator_id, is_new in found:
            identity[index], creator[index], fresh[index] = item_id, creator_id, bool(is_new)
    why = reasons([item.pool for item in placed], features, fresh, formulas)
    return tuple(
        FeedItem(
            position=index + 1,
            slot=item.slot,
            pool=item.pool,
            kind=item.kind,
            id=identity[index],
            row=item.row,
            creator_id=creator[index],
            score=item.score,
            propensity=item.propensity,
            reason=why[index],
        )
        for index, item in enumerate(placed)
    )
