"""NU, new: videos younger than the fresh age, uniformly among the best."""

import numpy as np
from numpy.typing import NDArray

from engine.bandit.score_table import Formula, no_bonus
from engine.config import EngineConfig
from engine.features import INDEX
from engine.pools.base import BanditPool
from engine.pools.picks import Pick
from engine.world import World


class New(BanditPool):
    """Draws uniformly among the best new videos, so that none of them depends on its first few viewers."""

    name = "NU"
    borrows = ("EXPLORE",)
    pick = Pick.UNIFORM

    def formula(self, config: EngineConfig) -> Formula:
        bonus = no_bonus()
        bonus[INDEX["score_temporal"]] = config.nu_temporal
        bonus[INDEX["skill_diversity"]] = config.nu_diversity
        bonus[INDEX["skill_rarity"]] = config.nu_rarity
        bonus[INDEX["random_exploration"]] = config.nu_random
        return Formula(config.nu_alpha, config.nu_beta, bonus)

    def admits(self, world: World) -> NDArray[np.bool_]:
        return np.asarray(world.video_fresh, dtype=np.bool_)

    def limit(self, config: EngineConfig) -> int:
        return config.top_candidates
