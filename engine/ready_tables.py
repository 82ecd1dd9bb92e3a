"""What an engine needs to know of a policy, computed once for a world, a policy and a configuration.

All engines of the same three hold equal tables, so one may compute them and others take its arrays.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bandit.linucb import Model, solve
from engine.bandit.policy import Policy
from engine.bandit.score_table import ScoreTable, score_table
from engine.config import EngineConfig
from engine.kernel.order import OrderedTable, in_order
from engine.pools.base import BanditPool
from engine.pools.table import BANDIT_POOLS
from engine.world import World

Arrays = Mapping[str, NDArray[Any]]
ALIGNED = 16  # float32 in the 64 bytes of a cache line


def ready_tables(world: World, policy: Policy, config: EngineConfig) -> dict[str, OrderedTable]:
    """Per bandit pool its score table in reading order: about a second for a million videos."""
    return {pool.name: in_order(_score_table(world, policy, config, pool)) for pool in BANDIT_POOLS}


def score_tables(world: World, policy: Policy, config: EngineConfig) -> dict[str, ScoreTable]:
    """Per bandit pool its score table, in the catalogue's order."""
    return {pool.name: _score_table(world, policy, config, pool) for pool in BANDIT_POOLS}


def solved(policy: Policy, config: EngineConfig, pool: str) -> Model:
    """One pool's bandit, solved."""
    return solve(
        policy.statistics[pool],
        np.asarray(policy.weights, dtype=np.float64),
        ridge=config.ridge_lambda,
        item_effects=config.item_effects,
        prior_deviation=config.item_effect_deviation,
    )


def to_arrays(tables: Mapping[str, OrderedTable]) -> dict[str, NDArray[Any]]:
    """Tables as few named arrays: `P.bounds` (3, n or more) float32 with peak, base and rest; `P.v` (5, n);
    `P.pair` (6, 5) with c and lower; `P.row` (n,) int32 where pool P has an order of its own."""
    arrays: dict[str, NDArray[Any]] = {}
    for pool, table in tables.items():
        entries = len(table.base)
        bounds = np.zeros((3, -(-entries // ALIGNED) * ALIGNED), dtype=np.float32)
        bounds[:, :entries] = table.peak, table.base, table.rest
        arrays |= {f"{pool}.bounds": bounds, f"{pool}.v": table.v, f"{pool}.pair": np.vstack([table.c, table.lower])}
        if table.row is not None:
            arrays[f"{pool}.row"] = table.row
    return arrays


def of_arrays(arrays: Arrays, videos: int) -> dict[str, OrderedTable]:
    """The inverse of `to_arrays`, without copies, for a world of so many videos.

    Raises ValueError naming an array that is absent or of a wrong shape or type: the kernel reads without looking.
    """
    return {pool.name: _of_arrays(arrays, pool.name, videos) for pool in BANDIT_POOLS}


def _of_arrays(arrays: Arrays, pool: str, videos: int) -> OrderedTable:
    row = arrays.get(f"{pool}.row")
    entries = videos if row is None else len(row)
    _check(arrays, f"{pool}.bounds", np.float32, (3, -(-entries // ALIGNED) * ALIGNED))
    _check(arrays, f"{pool}.v", np.float32, (5, entries))
    _check(arrays, f"{pool}.pair", np.float32, (6, 5))
    if row is not None:
        _check(arrays, f"{pool}.row", np.int32, (entries,))
        if entries and not 0 <= int(row.min()) <= int(row.max()) < videos:
            raise ValueError(f"{pool}.row: names a video beyond the {videos} that there are")
    (peak, base, rest), pair = arrays[f"{pool}.bounds"][:, :entries], arrays[f"{pool}.pair"]
    return OrderedTable(row, peak, base, rest, arrays[f"{pool}.v"], pair[0], pair[1:])


def _check(arrays: Arrays, name: str, kind: type, shape: tuple[int, ...]) -> None:
    array = arrays.get(name)
    if array is None or array.dtype != kind or array.shape != shape or not array.flags.c_contiguous:
        raise ValueError(f"{name}: not a contiguous array {shape} of {kind.__name__}")


def _score_table(world: World, policy: Policy, config: EngineConfig, pool: BanditPool) -> ScoreTable:
    return score_table(
        solved(policy, config, pool.name),
        pool.formula(config),
        video_id=world.video_id,
        features=world.video_features,
        fresh=world.video_fresh,
        admitted=pool.admits(world),
    )
