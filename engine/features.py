"""The eighteen features of a (viewer, video) pair, in the order in which every array of the project holds them.

Thirteen belong to the video and are computed when a snapshot is built (`engine.build.scores`); five belong to the pair
and are computed per request (`engine.kernel`). Everything else reads this table.
"""

from dataclasses import dataclass
from enum import Enum
from math import sqrt

import numpy as np
from numpy.typing import NDArray


class Of(Enum):
    """What a feature belongs to."""

    VIDEO = "video"
    PAIR = "pair"


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: its name, whom it belongs to, what it means, and its largest value (the smallest is always 0)."""

    name: str
    of: Of
    meaning: str
    at_most: float = 1.0


V, P = Of.VIDEO, Of.PAIR

FEATURES: tuple[Feature, ...] = (
    Feature("score_engagement", V, "views, rating and connections together, each damped and scaled to the catalogue"),
    Feature("score_temporal", V, "freshness: halves every 30 days since creation"),
    Feature("score_quality", V, "mean rating shrunk to the catalogue's by the number of ratings, over 5"),
    Feature("score_popularity", V, "percentile of damped views and likes per day since creation"),
    Feature("skill_diversity", V, "how many different skills, damped"),
    Feature("skill_similarity", P, "cosine of the viewer's and the video's embeddings, negative values are 0"),
    Feature("extended_match", P, "weighted overlap of skills, knowledge, tools and languages"),
    Feature("city_match", P, "1 in the same city, 0.5 in the same country, else 0"),
    Feature("social_signal", P, "1 connected to the creator, 0.5 at two hops; plus likes of connected people"),
    Feature("log_views", V, "ln(1 + views) / 10", at_most=5.0),
    Feature("rating", V, "mean rating over 5"),
    Feature("skill_rarity", V, "mean inverse document frequency of its skills, scaled"),
    Feature("passes_quality_gate", V, "1 if the shrunk rating is at least 3 of 5, the url is playable and not broken"),
    Feature("social_influence", V, "the creator's PageRank among accepted connections, scaled to the largest"),
    Feature("rating_count", V, "number of ratings over the catalogue's largest"),
    Feature("like_count", V, "number of likes over the catalogue's largest"),
    Feature("exhibited_count", V, "times shown over the catalogue's largest"),
    Feature("random_exploration", P, "uniform, drawn from the request's seed"),
)

DIMENSIONS = len(FEATURES)
NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
INDEX: dict[str, int] = {name: index for index, name in enumerate(NAMES)}
VIDEO_COLUMNS: tuple[int, ...] = tuple(i for i, feature in enumerate(FEATURES) if feature.of is Of.VIDEO)
PAIR_COLUMNS: tuple[int, ...] = tuple(i for i, feature in enumerate(FEATURES) if feature.of is Of.PAIR)
SCALE = 1.0 / sqrt(DIMENSIONS)


def scaled(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """The bandit's x: features over the square root of their number, so that its norm is about 1 at most.

    >>> float(np.linalg.norm(scaled(np.ones(DIMENSIONS, dtype=np.float32))))
    1.0
    """
    return np.asarray(features, dtype=np.float64) * SCALE
