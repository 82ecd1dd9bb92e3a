"""The engine: one snapshot, one policy, one configuration, made ready to answer. Immutable; replace it whole."""

from collections.abc import Callable, Mapping

import numpy as np

from engine.bandit.linucb import Model, solve
from engine.bandit.policy import Policy
from engine.bandit.score_table import ScoreTable, score_table
from engine.config import EngineConfig
from engine.feed import serve
from engine.feed_types import Feed, FeedRequest
from engine.kernel.base import Kernel
from engine.kernel.compiled import CompiledKernel
from engine.pools.base import BanditPool
from engine.pools.table import BANDIT_POOLS
from engine.render import Renderer
from engine.world import World

MakeKernel = Callable[[World, Mapping[str, ScoreTable], float], Kernel]


class Engine:
    """Answers feed requests from memory.

    Parameters
    ----------
    world : the snapshot
    policy : what the bandits know
    config : the engine's numbers
    make_kernel : the scoring kernel; the compiled one by default, `ReferenceKernel` in tests

    Building one solves the bandits, precomputes their score tables and sorts them: milliseconds for thousands of
    videos, about a second for a million (`make bench` prints it).
    """

    def __init__(
        self, world: World, policy: Policy, config: EngineConfig, make_kernel: MakeKernel = CompiledKernel
    ) -> None:
        self.world, self.policy, self.config = world, policy, config
        self._renderer = Renderer(world)
        self.models = {pool.name: self._solved(pool) for pool in BANDIT_POOLS}
        self.formulas = {pool.name: pool.formula(config) for pool in BANDIT_POOLS}
        tables = {pool.name: self._table(pool) for pool in BANDIT_POOLS}
        self.kernel = make_kernel(world, tables, config.social_like)

    @property
    def snapshot_id(self) -> str:
        """The snapshot this engine serves."""
        return self.world.snapshot_id

    def feed(self, request: FeedRequest) -> Feed:
        """Assemble one feed; see `engine.feed`. Never raises for an unknown viewer or an empty catalogue."""
        return serve(self.kernel, self.config, self.formulas, self.policy.version, request)

    def render(self, feed: Feed) -> list[bytes]:
        """The feed's items as JSON objects, in order."""
        return self._renderer.items(feed)

    def _solved(self, pool: BanditPool) -> Model:
        return solve(
            self.policy.statistics[pool.name],
            np.asarray(self.policy.weights, dtype=np.float64),
            ridge=self.config.ridge_lambda,
            item_effects=self.config.item_effects,
            prior_deviation=self.config.item_effect_deviation,
        )

    def _table(self, pool: BanditPool) -> ScoreTable:
        return score_table(
            self.models[pool.name],
            self.formulas[pool.name],
            video_id=self.world.video_id,
            features=self.world.video_features,
            fresh=self.world.video_fresh,
            admitted=pool.admits(self.world),
        )
