"""The four figures a feed's quality is held to, over many viewers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.engine import Engine
from engine.feed_types import Feed, FeedRequest
from engine.world import World

SKILLS = 0  # term_kind of skills


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, a share in [0, 1], with the range it has to lie in (`high` None: no upper bound)."""

    name: str
    meaning: str
    value: float
    low: float
    high: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the value is in range."""
        return self.low <= self.value and (self.high is None or self.value <= self.high)


@dataclass(frozen=True, slots=True)
class QualityReport:
    """The figures over `feeds` feeds; `relaxed` counts every rule that gave way."""

    feeds: int
    figures: tuple[Figure, ...]
    relaxed: dict[str, int]

    @property
    def holds(self) -> bool:
        """Whether all figures hold."""
        return all(figure.holds for figure in self.figures)


def report(engine: Engine, viewers: Sequence[int], seed: int) -> QualityReport:
    """Serve one feed to each viewer, seeded from `seed`, and measure them all."""
    feeds = [engine.feed(FeedRequest(user_id=user, seed=seed + i)) for i, user in enumerate(viewers)]
    world = engine.world
    videos = [feed.slate["row"][feed.slate["is_flow"] == 0].astype(np.int64) for feed in feeds]
    shown = np.concatenate([np.zeros(0, dtype=np.int64), *videos])
    figures = (
        Figure(
            "creator_diversity",
            f"items whose creator is not among the {engine.config.creator_window - 1} items before",
            _mean([_creator_diversity(feed, engine.config.creator_window) for feed in feeds]),
            1.0,
        ),
        Figure(
            "skill_diversity", "distinct skills over skill mentions in a feed", _skill_diversity(world, videos), 0.6
        ),
        Figure("catalogue_coverage", "videos shown at all", len(np.unique(shown)) / max(1, world.videos), 0.25),
        Figure("new_content", "video items that are new", _mean(world.video_fresh[shown].tolist()), 0.25, 0.35),
    )
    relaxed: dict[str, int] = {}
    for rule in (relaxation.rule for feed in feeds for relaxation in feed.relaxed):
        relaxed[rule] = relaxed.get(rule, 0) + 1
    return QualityReport(len(feeds), figures, relaxed)


def sample_viewers(world: World, count: int, seed: int) -> list[int]:
    """`count` user ids, all different as long as the snapshot has as many; none where it has no users."""
    if not len(world.user_id):
        return []
    random = np.random.default_rng(seed)
    rounds = -(-count // len(world.user_id))
    ids = np.concatenate([random.permutation(world.user_id) for _ in range(rounds)])
    return [int(user) for user in ids[:count]]


def _creator_diversity(feed: Feed, window: int) -> float:
    creators = feed.slate["creator_id"].tolist()
    return _mean([creator not in creators[max(0, i - window + 1) : i] for i, creator in enumerate(creators)])


def _skill_diversity(world: World, feeds: list[NDArray[np.int64]]) -> float:
    """The mean over feeds of distinct skills over skill mentions; a feed without skills is left out."""
    start, skills = _skills_by_video(world)
    shares = []
    for rows in feeds:
        mentions = np.concatenate([np.zeros(0, dtype=np.int64), *(skills[start[row] : start[row + 1]] for row in rows)])
        if len(mentions):
            shares.append(len(np.unique(mentions)) / len(mentions))
    return _mean(shares)


def _skills_by_video(world: World) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The inverted lists of skills turned around: offsets (N + 1,) and term rows."""
    term = np.repeat(np.arange(len(world.term_kind), dtype=np.int64), np.diff(world.term_start))
    skill = world.term_kind[term] == SKILLS
    video, term = world.term_video[skill], term[skill]
    order = np.argsort(video, kind="stable")
    return np.searchsorted(video[order], np.arange(world.videos + 1)).astype(np.int64), term[order]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else 0.0
