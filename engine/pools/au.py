"""AU, affine to the user: any video, the best by score."""

import numpy as np
from numpy.typing import NDArray

from engine.bandit.score_table import Formula, no_bonus
from engine.config import EngineConfig
from engine.features import INDEX
from engine.pools.base import BanditPool
from engine.pools.picks import Pick
from engine.world import World


class AffineToUser(BanditPool):
    """Takes the best candidate by upper confidence bound plus the viewer's closeness to its skills."""

    name = "AU"
    borrows = ("NU", "EXPLORE")
    pick = Pick.TOP

    def formula(self, config: EngineConfig) -> Formula:
        bonus = no_bonus()
        bonus[INDEX["skill_similarity"]] = config.au_similarity
        bonus[INDEX["extended_match"]] = config.au_match
        return Formula(config.au_alpha, config.au_beta, bonus, config.au_fresh)

    def admits(self, world: World) -> NDArray[np.bool_]:
        return np.ones(world.videos, dtype=np.bool_)

    def limit(self, config: EngineConfig) -> int:
        return 1
