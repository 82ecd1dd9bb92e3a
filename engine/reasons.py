"""Why an item is there: the largest contribution of its pool's bonuses to the final score, in words.

A reason is a number while the feed is made: a feature's index, or one of the four below. `tf_draft` in C computes the
same numbers as `code`, `tf_render` joins the same words as `sentence`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.features import DIMENSIONS, FEATURES

FRESH, UNDECIDED, EXPLORED, CHALLENGE = range(DIMENSIONS, DIMENSIONS + 4)
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
}
WORDS: tuple[str, ...] = (
    *(f"{PHRASES.get(feature.name, feature.meaning)} ({feature.name} " for feature in FEATURES),
    "new",
    "best estimate of what viewers enjoy",
    "exploration: every eligible item has the same chance",
    "challenge: recent flows come first",
)
"""What is said for each reason; after a feature's words come its value and a closing bracket."""


def code(features: NDArray[np.float32], bonus: NDArray[np.float64], fresh: float) -> int:
    """The reason of a scored video: `features` and `bonus` are (18,), `fresh` is what being new added to its score.

    Only the pool's own bonuses speak, not the bandit.
    """
    parts = features * bonus
    best = int(parts.argmax())
    if fresh > parts[best]:
        return FRESH
    return UNDECIDED if parts[best] <= 0.0 else best


def sentence(reason: int, features: NDArray[Any]) -> str:
    """The reason in words; `features` (18,) are the item's.

    >>> sentence(FRESH, np.zeros(18)), sentence(2, np.full(18, 0.925))
    ('new', 'well rated (score_quality 0.93)')
    """
    return f"{WORDS[reason]}{features[reason]:.2f})" if reason < DIMENSIONS else WORDS[reason]
