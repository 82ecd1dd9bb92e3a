"""Every pool, in one place. The pattern of a feed names them; `borrows` of each names who helps out, in order."""

from engine.pools.au import AffineToUser
from engine.pools.base import BanditPool, Pool
from engine.pools.explore import Explore, ExploreFlows
from engine.pools.fw import Flows
from engine.pools.nu import New
from engine.pools.vmp import ValuedPopular

BANDIT_POOLS: tuple[BanditPool, ...] = (ValuedPopular(), AffineToUser(), New())
EXPLORE = Explore()
EXPLORE_FLOWS = ExploreFlows()
EVERY_POOL: tuple[Pool, ...] = (*BANDIT_POOLS, Flows(), EXPLORE)
POOLS: dict[str, Pool] = {pool.name: pool for pool in EVERY_POOL}
EXPLORERS: dict[str, Pool] = {"video": EXPLORE, "flow": EXPLORE_FLOWS}
