"""The thirteen features that belong to the video: one function each, in the order of `engine.features.FEATURES`.

Each takes arrays of shape (videos,) and gives float64 of shape (videos,), finite, in the feature's range, and monotone
in what its name says. docs/features.md holds the same formulas for readers.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import rankdata

Array = NDArray[np.float64]

BEST_RATING = 5.0
NEUTRAL_RATING = 3.0  # what a catalogue without any rating is taken to be worth
MANY_SKILLS = 10
ENGAGEMENT_SHARES = (0.5, 0.3, 0.2)  # views, rating, connections
COMMON_RANGE = (1.0, 99.0)  # percentiles of the catalogue
PLAYABLE = re.compile(r"https?://[^\s/]\S*|(?![A-Za-z][A-Za-z+.-]*:)\S+\.\w{2,5}")


def engagement(views: Array, shrunk: Array, connections: Array) -> Array:
    """`0.5 range(ln(1+views)) + 0.3 range(shrunk rating) + 0.2 range(ln(1+connections))`, each 0 to 1 in the catalogue.

    `range` is the place between the catalogue's 1st and 99th percentile: one runaway success does not make all others
    look the same, which scaling by the largest would do.
    """
    of_views, of_rating, of_connections = ENGAGEMENT_SHARES
    viewed, connected = _place_in_range(np.log1p(views)), _place_in_range(np.log1p(connections))
    return of_views * viewed + of_rating * _place_in_range(shrunk) + of_connections * connected


def temporal(age_days: Array, half_life_days: float) -> Array:
    """`0.5 ** (age / half-life)`; 0 where the age is unknown (infinite)."""
    return np.exp2(-age_days / half_life_days)


def shrunk_rating(average: Array, count: Array, prior: float) -> Array:
    """The Bayesian mean, 1 to 5: the video's ratings and `prior` ratings of the catalogue's mean."""
    ratings = np.where(count > 0, np.nan_to_num(average), 0.0) * count
    total = count.sum()
    mean = ratings.sum() / total if total > 0 else NEUTRAL_RATING
    weight = count + prior
    shrunk = np.divide(ratings + prior * mean, weight, out=np.full_like(weight, mean), where=weight > 0)
    return np.clip(shrunk, 0.0, BEST_RATING)


def quality(shrunk: Array) -> Array:
    """The shrunk rating over 5."""
    return shrunk / BEST_RATING


def popularity(views: Array, likes: Array, age_days: Array) -> Array:
    """The percentile of `ln(1+views/day) + ln(1+likes/day)`; equals share their place.

    A day is the least age; where the age is unknown, the catalogue's largest is assumed.
    """
    if not len(views):
        return np.zeros(0)
    known = age_days[np.isfinite(age_days)]
    oldest = max(1.0, float(known.max())) if len(known) else 1.0
    days = np.clip(age_days, 1.0, oldest)
    rate = np.log1p(views / days) + np.log1p(likes / days)
    return np.asarray((rankdata(rate) - 0.5) / len(rate))


def diversity(skills: csr_array) -> Array:
    """`ln(1+different skills) / ln(1+10)`, at most 1."""
    return np.asarray(np.minimum(np.log1p(_row_sums(skills)) / np.log1p(MANY_SKILLS), 1.0))


def log_views(views: Array) -> Array:
    """`ln(1+views) / 10`; may exceed 1."""
    return np.log1p(views) / 10.0


def rating(average: Array) -> Array:
    """The mean rating over 5; 0 without ratings."""
    return np.clip(np.nan_to_num(average), 0.0, BEST_RATING) / BEST_RATING


def rarity(skills: csr_array) -> Array:
    """The mean over the video's skills of `ln((1+videos)/(1+videos with it))`, over that of a skill of one video.

    0 without skills.
    """
    videos, _ = skills.shape
    if videos < 2:
        return np.zeros(videos)
    stated = np.asarray(skills.sum(axis=0)).reshape(-1)
    rare = np.log((1.0 + videos) / (1.0 + stated)) / np.log((1.0 + videos) / 2.0)
    lengths = _row_sums(skills)
    mean = np.divide(skills @ rare, lengths, out=np.zeros(videos), where=lengths > 0)
    return np.asarray(np.clip(mean, 0.0, 1.0))


def quality_gate(
    shrunk: Array, urls: Sequence[str | None], broken_reports: Array, *, least_rating: float, most_reports: int
) -> Array:
    """1 where the shrunk rating reaches `least_rating`, the url is playable and fewer than `most_reports` viewers
    reported the video as broken; else 0."""
    playable = np.fromiter((is_playable(url) for url in urls), dtype=bool, count=len(urls))
    return np.asarray((shrunk >= least_rating) & playable & (broken_reports < most_reports), dtype=np.float64)


def is_playable(url: str | None) -> bool:
    """Whether a player can try it: an http(s) address, or a file's path that the app completes.

    >>> [is_playable(url) for url in ("https://cdn.example/a.mp4", "videos/a.mp4", "javascript:a.mp4", "soon", None)]
    [True, True, False, False, False]
    """
    return isinstance(url, str) and PLAYABLE.fullmatch(url.strip()) is not None


def share_of_largest(counts: Array) -> Array:
    """Counts over the catalogue's largest count; 0 where all are 0."""
    largest = counts.max(initial=0.0)
    return counts / largest if largest > 0 else np.zeros_like(counts)


def _place_in_range(values: Array) -> Array:
    """Where values lie between their own 1st and 99th percentile, clipped to [0, 1]; one half where those are equal."""
    if not len(values):
        return np.zeros(0)
    low, high = np.percentile(values, COMMON_RANGE)
    if high <= low:
        return np.asarray(0.5 + 0.5 * np.sign(values - low))
    return np.asarray(np.clip((values - low) / (high - low), 0.0, 1.0))


def _row_sums(matrix: csr_array) -> Array:
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).reshape(-1)
