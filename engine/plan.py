"""Slots to pools: the pattern repeated, and which slots turn into EXPLORE."""

from itertools import cycle
from typing import NamedTuple

from engine import randomness
from engine.config import EngineConfig
from engine.feed_types import FeedRequest


class Slot(NamedTuple):
    """One planned position: the pool it is for, and whether it turns into EXPLORE."""

    pool: str
    turned: bool


def plan(config: EngineConfig, request: FeedRequest) -> list[Slot]:
    """The slots of a feed, first to last. Each turns with probability `explore_rate`, by the request's seed."""
    pattern = cycle(config.slots_pattern)
    turned = randomness.uniforms(request.seed, "turn", 0, request.size) < config.explore_rate
    return [Slot(pool, turn) for pool, turn in zip(pattern, turned.tolist(), strict=False)]
