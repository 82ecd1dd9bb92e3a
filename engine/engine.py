"""The engine: one snapshot, one policy, one configuration, made ready to answer. Immutable; replace it whole."""

from collections.abc import Callable, Mapping

from engine.bandit.policy import Policy
from engine.bandit.score_table import ScoreTable
from engine.config import EngineConfig
from engine.feed import Kit, serve, standing
from engine.feed_types import Feed, FeedRequest
from engine.kernel.base import Kernel
from engine.kernel.compiled import CompiledKernel
from engine.kernel.order import OrderedTable
from engine.pools.table import BANDIT_POOLS
from engine.ready_tables import score_tables
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
    tables : `ready_tables` of these three, if somebody has them; then `policy` need not hold more than its version

    Building one without `tables` solves the bandits, precomputes their score tables and sorts them: milliseconds for
    thousands of videos, about a second for a million (`make bench` prints it).
    """

    def __init__(
        self,
        world: World,
        policy: Policy,
        config: EngineConfig,
        make_kernel: MakeKernel = CompiledKernel,
        tables: Mapping[str, OrderedTable] | None = None,
    ) -> None:
        self.world, self.policy, self.config = world, policy, config
        self._renderer = Renderer(world)
        self.formulas = {pool.name: pool.formula(config) for pool in BANDIT_POOLS}
        if tables is None:
            self.kernel: Kernel = make_kernel(world, score_tables(world, policy, config), config.social_like)
        else:
            self.kernel = CompiledKernel(world, tables, config.social_like)
        drafter = self.kernel.drafter(standing(config, world))
        self._kit = Kit(self.kernel, drafter, config, self.formulas, world.snapshot_id, policy.version)

    @property
    def snapshot_id(self) -> str:
        """The snapshot this engine serves."""
        return self.world.snapshot_id

    def feed(self, request: FeedRequest) -> Feed:
        """Assemble one feed; see `engine.feed`. Never raises for an unknown viewer or an empty catalogue."""
        return serve(self._kit, request)

    def render(self, feed: Feed) -> bytes:
        """The feed's items as a JSON array, in order."""
        return self._renderer.items(feed)
