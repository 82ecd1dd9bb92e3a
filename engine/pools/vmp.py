"""VMP, valued and popular: videos that pass the quality gate, drawn in proportion to the exponential of their score."""

import numpy as np
from numpy.typing import NDArray

from engine.bandit.score_table import Formula, no_bonus
from engine.config import EngineConfig
from engine.features import INDEX, VIDEO_COLUMNS
from engine.pools.base import BanditPool
from engine.pools.picks import Pick
from engine.world import World

GATE_ROW = VIDEO_COLUMNS.index(INDEX["passes_quality_gate"])


class ValuedPopular(BanditPool):
    """Weighted sampling without replacement among the best candidates: Plackett-Luce, slot by slot a softmax."""

    name = "VMP"
    borrows = ("AU", "NU", "EXPLORE")
    pick = Pick.SOFTMAX

    def formula(self, config: EngineConfig) -> Formula:
        bonus = no_bonus()
        bonus[INDEX["score_engagement"]] = config.vmp_engagement
        bonus[INDEX["score_popularity"]] = config.vmp_popularity
        bonus[INDEX["score_quality"]] = config.vmp_quality
        return Formula(config.vmp_alpha, config.vmp_beta, bonus, config.vmp_fresh)

    def admits(self, world: World) -> NDArray[np.bool_]:
        return np.asarray(world.video_features[GATE_ROW] > 0.0)

    def limit(self, config: EngineConfig) -> int:
        return config.top_candidates
