"""Slots to pools: the pattern repeated, and which slots turn into EXPLORE."""

from functools import lru_cache
from itertools import cycle, islice
from typing import NamedTuple

from engine import randomness
from engine.config import POOL_NAMES, EngineConfig, pattern_of
from engine.feed_types import FeedRequest


class Slot(NamedTuple):
    """One planned position: the pool it is for, and whether it turns into EXPLORE."""

    pool: str
    turned: bool


def plan(config: EngineConfig, request: FeedRequest) -> list[Slot]:
    """The slots of a feed, first to last. Each turns with probability `explore_rate`, by the request's seed."""
    turned = randomness.uniforms(request.seed, "turn", 0, request.size) < config.explore_rate
    return list(map(Slot, _pools(config.pattern, request.size), turned.tolist()))


@lru_cache
def _pools(pattern: str, size: int) -> tuple[str, ...]:
    return tuple(islice(cycle(pattern_of(pattern)), size))


def slot_codes(pattern: str, size: int) -> bytes:
    """The pools of the slots, a byte each: their places in `POOL_NAMES`."""
    return bytes(map(POOL_NAMES.index, _pools(pattern, size)))
