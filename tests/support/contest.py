"""Policies play the same three days in the same town: the same viewers, pools, rules and ways to pick.

All of them run in the real engine; they differ in what takes the place of the bandit's upper confidence bound. What is
told of each is the reward that the videos of the third day's feeds can be expected to earn, by the pool that showed
them, not what they happened to earn.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import numpy as np

from engine.bandit.policy import LEARNING_POOLS, Policy
from engine.bandit.score_table import ScoreTable
from engine.config import EngineConfig
from engine.engine import Engine
from engine.features import PAIR_COLUMNS, VIDEO_COLUMNS
from engine.feed_types import FeedRequest, Seen
from engine.kernel.base import Kernel
from engine.kernel.compiled import CompiledKernel
from engine.world import World
from tests.support.town import TODAY, Town
from tracking.attribution import outcome, teaches
from tracking.decisions import Decision
from tracking.events import Event
from tracking.learner import Learner
from tracking.policies import PolicyStore
from tracking.rewards import LIKE, WEIGHTS
from tracking.sqlite_sink import SqliteSink

DAYS, FEEDS, VIEWERS, BATCH = 3, 2000, 800, 100
Lesson = tuple[Decision, list[Event]]
Values = Callable[[str], np.ndarray]


class Contestant:
    """Serves with `engine(user)` and hears of every batch of feeds with what became of them."""

    def __init__(self, town: Town, config: EngineConfig) -> None:
        self.town, self.config = town, config
        self.untrained = Engine(town.world, Policy.untrained(WEIGHTS), config)

    def engine(self, user: int) -> Engine:
        return self.untrained

    def hear(self, lessons: list[Lesson]) -> None:
        """The untrained engine learns nothing."""


class Trained(Contestant):
    """The service's own way: the log tables, the learner, a published policy."""

    def __init__(self, town: Town, config: EngineConfig, folder: Path) -> None:
        super().__init__(town, config)
        self.sink, self.store = SqliteSink(folder / "activity.sqlite"), PolicyStore(folder / "policies")
        self.learner, self.current = Learner(self.sink, folder / "policies"), self.untrained

    def engine(self, user: int) -> Engine:
        return self.current

    def hear(self, lessons: list[Lesson]) -> None:
        self.sink.write_decisions([decision for decision, _ in lessons])
        self.sink.write_activities([event for _, events in lessons for event in events])
        self.learner.learn()
        self.current = Engine(self.town.world, self.store.load_current(), self.config)


class ItemMean(Contestant):
    """The smoothed mean reward of each video in the pool takes the bandit's place."""

    prior, weight = 0.15, 4.0

    def __init__(self, town: Town, config: EngineConfig) -> None:
        super().__init__(town, config)
        self.total = {pool: np.full(town.world.videos, self.prior * self.weight) for pool in LEARNING_POOLS}
        self.count = {pool: np.full(town.world.videos, self.weight) for pool in LEARNING_POOLS}
        self.row = {int(video): row for row, video in enumerate(town.world.video_id)}
        self.current = engine_of(town.world, config, self.value)

    def engine(self, user: int) -> Engine:
        return self.current

    def hear(self, lessons: list[Lesson]) -> None:
        for decision, events in lessons:
            for shown, kinds in zip(decision.shown, outcome(decision, events).values, strict=False):
                if pool := teaches(shown):
                    self.total[pool][self.row[shown.id]] += self.worth(kinds)
                    self.count[pool][self.row[shown.id]] += 1.0
        self.current = engine_of(self.town.world, self.config, self.value)

    def worth(self, kinds: np.ndarray) -> float:
        return float(kinds @ np.array(WEIGHTS))

    def value(self, pool: str) -> np.ndarray:
        return np.asarray(self.total[pool] / self.count[pool])


class MostPopular(ItemMean):
    """The number of likes of each video in the pool, over the largest, takes the bandit's place."""

    prior = 0.0

    def worth(self, kinds: np.ndarray) -> float:
        return float(kinds[LIKE])

    def value(self, pool: str) -> np.ndarray:
        return np.asarray(self.total[pool] / max(1.0, self.total[pool].max()))


class Oracle(Contestant):
    """The reward that each video can be expected to earn with this viewer takes the bandit's place."""

    def __init__(self, town: Town, config: EngineConfig) -> None:
        super().__init__(town, config)
        self.engines: dict[int, Engine] = {}

    def engine(self, user: int) -> Engine:
        if user not in self.engines:
            rewards = self.town.rewards(user)
            self.engines[user] = engine_of(self.town.world, self.config, lambda pool: rewards)
        return self.engines[user]


def play(town: Town, contestant: Contestant, seed: int = 1) -> dict[str, float]:
    """Three days; the third day's mean expected reward by pool, and of the three pools together (`feed`)."""
    random, viewers = np.random.default_rng(seed), town.viewers(VIEWERS)
    earned: defaultdict[str, list[float]] = defaultdict(list)
    watched: defaultdict[int, set[int]] = defaultdict(set)
    lessons: list[Lesson] = []
    for number in range(DAYS * FEEDS):
        user, feed_id = int(random.choice(viewers)), f"f{number}"
        when = TODAY + timedelta(days=number / FEEDS)
        seen = Seen(watched_videos=tuple(watched[user]))
        feed = contestant.engine(user).feed(FeedRequest(user_id=user, seed=number, seen=seen))
        events = town.acts(random, user, feed, feed_id, when)
        watched[user].update(event.video_id or 0 for event in events if event.event_type == "video_view")
        about = {"feed_id": feed_id, "user_id": user, "session_id": f"{user}:{number}", "served_at": when}
        lessons.append((Decision.of_feed(feed, **about), events))
        if len(lessons) == BATCH:
            contestant.hear(lessons)
            lessons = []
        if number >= (DAYS - 1) * FEEDS:
            rewards = town.rewards(user)
            for item in feed.items:
                if item.pool in LEARNING_POOLS:
                    earned[item.pool].append(float(rewards[item.row]))
                    earned["feed"].append(float(rewards[item.row]))
    return {pool: float(np.mean(values)) for pool, values in earned.items()}


def engine_of(world: World, config: EngineConfig, value: Values) -> Engine:
    """The engine with these values (N,) by pool in the place of the upper confidence bound."""

    def make(world: World, tables: Mapping[str, ScoreTable], social: float) -> Kernel:
        return CompiledKernel(world, {pool: with_value(table, pool) for pool, table in tables.items()}, social)

    def with_value(table: ScoreTable, pool: str) -> ScoreTable:
        formula, nothing = untaught.formulas[pool], np.zeros_like(table.rest)
        base = formula.bonus[list(VIDEO_COLUMNS)] @ world.video_features + formula.fresh * world.video_fresh
        base = np.where(np.isfinite(table.base), base + value(pool), -np.inf).astype(np.float32)
        pair = formula.bonus[list(PAIR_COLUMNS)].astype(np.float32)
        return ScoreTable(base=base, rest=nothing, v=np.zeros_like(table.v), c=pair, lower=np.zeros_like(table.lower))

    untaught = _untaught(world, config)
    return Engine(world, untaught.policy, config, make)


_ENGINES: dict[tuple[int, EngineConfig], Engine] = {}


def _untaught(world: World, config: EngineConfig) -> Engine:
    return _ENGINES.setdefault((id(world), config), Engine(world, Policy.untrained(WEIGHTS), config))
