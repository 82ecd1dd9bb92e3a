"""A request's story in four verbs: plan the slots, gather the viewer and the refusals, rank each pool, assemble.

The kernel tells the usual story in one call (`draft`); where a rule has to give way, and with the plain kernel always,
it is told here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.assemble import Placed, assemble
from engine.bandit.score_table import Formula
from engine.board import Board
from engine.config import POOL_NAMES, EngineConfig
from engine.features import DIMENSIONS, PAIR_COLUMNS, VIDEO_COLUMNS
from engine.feed_types import SLATE, Drafted, Feed, FeedRequest, Relaxation
from engine.kernel.base import Drafter, Kernel, Standing
from engine.plan import plan
from engine.pools.table import BANDIT_POOLS, POOLS
from engine.reasons import CHALLENGE, EXPLORED, code
from engine.rules.base import NAMED
from engine.rules.table import FLAGS, RULES
from engine.world import World

# A draft ranks this much deeper than slot and feed need, for what the creators' window takes away; more on demand.
DRAFT_SPARE = 16
BANDIT_NAMES = [pool.name for pool in BANDIT_POOLS]


@dataclass(frozen=True, slots=True)
class Kit:
    """What every feed of an engine is made with."""

    kernel: Kernel
    drafter: Drafter | None
    config: EngineConfig
    formulas: dict[str, Formula]
    snapshot_id: str
    policy_version: str


def standing(config: EngineConfig, world: World) -> Standing:
    """What a drafter has to know of pools and rules."""
    named_by = {rule.named: FLAGS[rule.name] for rule in RULES if rule.named}
    return Standing(
        pattern=config.pattern,
        sources=tuple(POOLS[name].source(config) for name in POOL_NAMES),
        window=config.creator_window,
        spare=DRAFT_SPARE,
        repeat_flag=FLAGS["no_repeat"],
        named_flags=tuple(named_by.get(name, 0) for name in NAMED),
        lists=tuple((FLAGS[rule.name], listed) for rule in RULES for listed in rule.listed(world)),
        explore_rate=config.explore_rate,
        flow_random=config.fw_random,
        flow_bonus=config.fw_temporal,
    )


def serve(kit: Kit, request: FeedRequest) -> Feed:
    """One feed. The same world, policy, configuration and request give the same feed."""
    drafted = kit.drafter.draft(request) if kit.drafter else None
    if drafted is not None:
        return Feed(drafted, (), False, request.seed, kit.snapshot_id, kit.policy_version)
    drafted, relaxed = assembled(kit, request)
    short = drafted.size < request.size
    return Feed(drafted, tuple(relaxed), short, request.seed, kit.snapshot_id, kit.policy_version)


def assembled(kit: Kit, request: FeedRequest) -> tuple[Drafted, list[Relaxation]]:
    """The feed slot by slot, and the rules that gave way."""
    slots = plan(kit.config, request)
    board = gather(kit.kernel, kit.config, request)
    try:
        rank(board)
        placed, relaxed = assemble(board, slots)
        features = features_of(board, placed)
    finally:
        board.close()
    return Drafted.of(slate_of(board, placed, features, kit.formulas), features), relaxed


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


def slate_of(
    board: Board, placed: list[Placed], features: NDArray[np.float32], formulas: dict[str, Formula]
) -> NDArray[np.void]:
    """Rows become ids, and every item says why it is there."""
    world = board.world
    slate = np.zeros(len(placed), dtype=SLATE)
    for entry, item, own in zip(slate, placed, features, strict=True):
        flow = item.kind == "flow"
        entry["row"], entry["is_flow"], entry["propensity"] = item.row, flow, item.propensity
        entry["id"] = (world.flow_id if flow else world.video_id)[item.row]
        entry["creator_id"] = world.creator_id[(world.flow_creator if flow else world.video_creator)[item.row]]
        entry["score"] = np.nan if item.score is None else item.score
        entry["pool"], entry["slot"] = POOL_NAMES.index(item.pool), POOL_NAMES.index(item.slot)
        entry["reason"] = EXPLORED if item.pool == "EXPLORE" else CHALLENGE
        if item.pool in formulas:
            formula = formulas[item.pool]
            entry["reason"] = code(own, formula.bonus, formula.fresh * float(world.video_fresh[item.row]))
    return slate
