"""Viewers with known tastes: LinUCB with item effects earns more than the baselines that any newcomer would try."""

import numpy as np
import pytest

from engine.bandit.linucb import solve, upper_confidence_bound
from engine.bandit.statistics import Statistics
from engine.features import DIMENSIONS, scaled

ITEMS, ROUNDS, CHOICES, BATCH = 200, 12_000, 40, 100


class Town:
    """Items with hidden appeal, viewers with hidden taste; features tell some of it, never all.

    The chance of a like is 0.15 + 0.35 * match + item appeal, where the match of viewer and item shows in the features
    and the appeal (deviation 0.12) shows only in what viewers did.
    """

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.static = self.random.random((ITEMS, DIMENSIONS)).astype(np.float32) * 0.6
        self.taste = self.random.integers(0, 8, ITEMS)
        self.appeal = self.random.normal(0, 0.12, ITEMS)

    def round(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Candidate items (CHOICES,), their features for one viewer (CHOICES, 18), their chances of a like."""
        items = self.random.choice(ITEMS, CHOICES, replace=False)
        match = (self.taste[items] == self.random.integers(0, 8)) * self.random.uniform(0.5, 1.0)
        features = self.static[items].copy()
        features[:, 5] = np.clip(match + self.random.normal(0, 0.05, CHOICES), 0, 1)
        features[:, 17] = self.random.random(CHOICES)
        return items, features, np.clip(0.15 + 0.35 * match + self.appeal[items], 0, 1)


class LinUcb:
    def __init__(self, item_effects: bool = True) -> None:
        self.statistics, self.item_effects = Statistics.empty(1), item_effects
        self.waiting: list[tuple[np.ndarray, float, int]] = []
        self._solve()

    def _solve(self) -> None:
        self.model = solve(self.statistics, np.ones(1), ridge=1.0, item_effects=self.item_effects, prior_deviation=0.15)

    def choose(self, items, features, random) -> int:
        x = scaled(features)
        index = int(upper_confidence_bound(self.model, x, items, alpha=0.5, beta=1.0).argmax())
        self.last = x[index]
        return index

    def learn(self, item: int, reward: float) -> None:
        self.waiting.append((self.last, reward, item))
        if len(self.waiting) == BATCH:
            x, rewards, items = zip(*self.waiting, strict=True)
            self.statistics.observe(np.stack(x), np.array(rewards)[:, None], np.array(items))
            self.waiting.clear()
            self._solve()


class ItemMean:
    """The smoothed mean reward of each item, with one chance in twenty of a uniform choice."""

    explore = 0.05

    def __init__(self) -> None:
        self.total, self.count = np.full(ITEMS, 0.25 * 4), np.full(ITEMS, 4.0)

    def value(self) -> np.ndarray:
        return self.total / self.count

    def choose(self, items, features, random) -> int:
        if random.random() < self.explore:
            return int(random.integers(len(items)))
        return int(self.value()[items].argmax())

    def learn(self, item: int, reward: float) -> None:
        self.total[item] += reward
        self.count[item] += 1


class MostPopular(ItemMean):
    """The item with the most likes so far."""

    def value(self) -> np.ndarray:
        return self.total


class Uniform(ItemMean):
    explore = 1.0


def mean_reward(policy, seed: int) -> float:
    """Mean chance of a like over the second half of the rounds."""
    town, earned = Town(seed), []
    coin = np.random.default_rng(seed + 1)
    for _ in range(ROUNDS):
        items, features, chances = town.round()
        index = policy.choose(items, features, coin)
        policy.learn(int(items[index]), float(coin.random() < chances[index]))
        earned.append(chances[index])
    return float(np.mean(earned[ROUNDS // 2 :]))


@pytest.fixture(scope="module")
def linucb_reward() -> float:
    return mean_reward(LinUcb(), seed=1)


@pytest.mark.parametrize(("baseline", "margin"), [(Uniform, 0.25), (MostPopular, 0.10), (ItemMean, 0.05)])
def test_linucb_earns_more_than_each_baseline_by_a_margin(linucb_reward, baseline, margin):
    assert linucb_reward > mean_reward(baseline(), seed=1) + margin


def test_item_effects_earn_more_than_the_shared_model_alone(linucb_reward):
    assert linucb_reward > mean_reward(LinUcb(item_effects=False), seed=1) + 0.05
