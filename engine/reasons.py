"""Why an item is there, in words: the largest contribution to its final score, for people and for logs."""

import numpy as np
from numpy.typing import NDArray

from engine.bandit.score_table import Formula
from engine.features import NAMES

PHRASES: dict[str, str] = {
    "score_engagement": "much watched, liked and rated",
    "score_temporal": "fresh",
    "score_quality": "well rated",
    "score_popularity": "popular for its age",
    "skill_diversity": "shows many skills",
    "skill_similarity": "close to your skills and to what you watched",
    "extended_match": "shares your skills, knowledge, tools or languages",
    "city_match": "from near you",
    "social_signal": "from people you know",
    "skill_rarity": "shows rare skills",
    "random_exploration": "a lucky draw among new videos",
    "fresh": "new",
}
EXPLORED = "exploration: every eligible item has the same chance"
FLOW = "challenge: recent flows come first"
WITHOUT_PREFERENCE = "best estimate of what viewers enjoy"


def reasons(
    pools: list[str], features: NDArray[np.float32], fresh: NDArray[np.bool_], formulas: dict[str, Formula]
) -> list[str]:
    """One sentence an item; `features` is (n, 18), `fresh` (n,). Only the pool's own bonuses speak, not the bandit."""
    return [_reason(formulas.get(pool), pool, features[i], bool(fresh[i])) for i, pool in enumerate(pools)]


def _reason(formula: Formula | None, pool: str, features: NDArray[np.float32], fresh: bool) -> str:
    if formula is None:
        return EXPLORED if pool == "EXPLORE" else FLOW
    parts = formula.bonus * features
    best = int(parts.argmax())
    if fresh and formula.fresh > parts[best]:
        return PHRASES["fresh"]
    if parts[best] <= 0.0:
        return WITHOUT_PREFERENCE
    return f"{PHRASES[NAMES[best]]} ({NAMES[best]} {features[best]:.2f})"
