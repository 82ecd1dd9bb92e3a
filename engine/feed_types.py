"""What goes into a feed and what comes out of it: plain frozen data, shared with tracking and the API."""

from dataclasses import dataclass
from functools import cached_property
from math import isnan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.config import POOL_NAMES
from engine.features import DIMENSIONS
from engine.kernel._kernel import ffi
from engine.reasons import sentence
from engine.seen import NOTHING_SEEN, Ids, Seen

__all__ = [
    "KINDS", "NOTHING_SEEN", "SLATE", "Drafted", "Feed", "FeedItem", "FeedRequest", "Ids", "Relaxation", "Seen",
]  # fmt: skip

SLATE = np.dtype(
    [
        ("id", "i8"),
        ("creator_id", "i8"),
        ("score", "f8"),  # NaN where nothing was scored
        ("propensity", "f8"),
        ("row", "i4"),
        ("is_flow", "u1"),
        ("pool", "u1"),  # as in POOL_NAMES
        ("slot", "u1"),
        ("reason", "u1"),  # as in engine.reasons
    ],
    align=True,
)
"""A feed's positions as one array: the kernel fills it (`tf_item`) and reads it again to write JSON."""


class FeedRequest(NamedTuple):
    """One request. `seed` is an unsigned 63-bit integer; `size` is 1 to 96."""

    user_id: int
    seed: int
    size: int = 24
    excluded_videos: Ids = ()
    excluded_flows: Ids = ()
    seen: Seen = NOTHING_SEEN


KINDS = ("video", "flow")


class FeedItem(NamedTuple):
    """One position of a feed, in words.

    `slot` is the pool the pattern planned, `pool` the one that filled it; they differ for EXPLORE turns and recorded
    relaxations. `propensity` is the probability, given the features and everything placed before, that this slot
    took this item. `score` is None where nothing was scored (EXPLORE). `row` indexes the snapshot's videos or flows.
    """

    position: int
    slot: str
    pool: str
    kind: str  # "video" or "flow"
    id: int
    row: int
    creator_id: int
    score: float | None
    propensity: float
    reason: str


@dataclass(frozen=True, slots=True)
class Relaxation:
    """A rule that gave way at a position (1-based): `pool:AU`, `watched`, `creator_window:6`, `short`."""

    position: int
    rule: str


class Drafted(NamedTuple):
    """A feed's positions as the kernel writes and reads them: `size` items of `SLATE`, then as many features' rows."""

    block: Any  # uint8_t[] of cffi
    size: int

    @classmethod
    def of(cls, slate: NDArray[Any], features: NDArray[np.float32]) -> "Drafted":
        """From a slate (n,) of `SLATE` and features (n, 18) float32."""
        return cls(ffi.new("uint8_t[]", slate.tobytes() + features.tobytes()), len(slate))

    @property
    def slate(self) -> NDArray[Any]:
        """The items, (n,) of `SLATE`; writing to it changes the feed."""
        return np.frombuffer(ffi.buffer(self.block), SLATE, self.size)

    @property
    def features(self) -> NDArray[np.float32]:
        """The features, (n, 18) float32."""
        numbers = np.frombuffer(ffi.buffer(self.block), np.float32, self.size * DIMENSIONS, self.size * SLATE.itemsize)
        return numbers.reshape(self.size, DIMENSIONS)


class _Feed(NamedTuple):
    drafted: Drafted
    relaxed: tuple[Relaxation, ...]
    short: bool
    seed: int
    snapshot_id: str
    policy_version: str


class Feed(_Feed):
    """A finished feed and all that reproduces it.

    `slate` (n,) of `SLATE` holds its positions, `features` (n, 18) float32 what they were scored by; a flow's row is
    zero. `items` says the same for people and tests: the path of a request leaves them packed.
    """

    __eq__ = object.__eq__  # a feed is itself alone
    __hash__ = object.__hash__

    @property
    def slate(self) -> NDArray[Any]:
        """The positions as an array, (n,) of `SLATE`."""
        return self.drafted.slate

    @property
    def features(self) -> NDArray[np.float32]:
        """What they were scored by, (n, 18)."""
        return self.drafted.features

    @cached_property
    def items(self) -> tuple[FeedItem, ...]:
        """The feed, position by position."""
        features = self.features
        return tuple(
            FeedItem(
                position=index + 1,
                slot=POOL_NAMES[slot],
                pool=POOL_NAMES[pool],
                kind=KINDS[is_flow],
                id=identity,
                row=row,
                creator_id=creator,
                score=None if isnan(score) else score,
                propensity=propensity,
                reason=sentence(reason, features[index]),
            )
            for index, (identity, creator, score, propensity, row, is_flow, pool, slot, reason) in enumerate(
                self.slate.tolist()
            )
        )
