"""Why an item is there, in words: the largest contribution to its final score, for people and for logs."""

import numpy as np
from numpy.typing import NDArray

from engine.bandit.score_table import Formula, no_bonus
from engine.features import FEATURES

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
NO_BONUS = no_bonus()
WITHOUT_PREFERENCE = "best estimate of what viewers enjoy"


def reasons(
    pools: list[str], features: NDArray[np.float32], fresh: list[bool], formulas: dict[str, Formula]
) -> list[str]:
    """One sentence an item; `features` is (n, 18). Only the pool's own bonuses speak, not the bandit."""
    if not pools:
        return []
    bonus = np.array([formulas[pool].bonus if pool in formulas else NO_BONUS for pool in pools])
    parts = features * bonus
    best = parts.argmax(axis=1)
    index = np.arange(len(pools))
    answers = zip(pools, best.tolist(), parts[index, best].tolist(), features[index, best].tolist(), fresh, strict=True)
    return [_reason(formulas.get(pool), pool, *answer) for pool, *answer in answers]


def _reason(formula: Formula | None, pool: str, best: int, part: float, value: float, fresh: bool) -> str:
    if formula is None:
        return EXPLORED if pool == "EXPLORE" else FLOW
    if fresh and formula.fresh > part:
        return PHRASES["fresh"]
    if part <= 0.0:
        return WITHOUT_PREFERENCE
    feature = FEATURES[best]
    return f"{PHRASES.get(feature.name, feature.meaning)} ({feature.name} {value:.2f})"
