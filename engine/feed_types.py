"""What goes into a feed and what comes out of it: plain frozen data, shared with tracking and the API."""

from dataclasses import dataclass, field
from functools import cached_property
from math import isnan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.config import POOL_NAMES
from engine.reasons import sentence

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


Ids = tuple[int, ...]


class Seen(NamedTuple):
    """What a viewer was served, watched and hid before this request.

    Ids, not rows. `served_*` and `last_creators` belong to the session; `watched_*` and `hidden_*` to the viewer.
    `last_creators` are the creators of the session's last items, oldest first (at most 95 are looked at).
    """

    served_videos: Ids = ()
    served_flows: Ids = ()
    watched_videos: Ids = ()
    watched_flows: Ids = ()
    hidden_videos: Ids = ()
    hidden_flows: Ids = ()
    last_creators: Ids = ()


NOTHING_SEEN = Seen()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRequest:
    """One request. `seed` is an unsigned 63-bit integer; `size` is 1 to 96."""

    user_id: int
    seed: int
    size: int = 24
    excluded_videos: Ids = ()
    excluded_flows: Ids = ()
    seen: Seen = field(default=NOTHING_SEEN)


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


@dataclass(frozen=True, kw_only=True, eq=False)
class Feed:
    """A finished feed and all that reproduces it.

    `slate` (n,) of `SLATE` holds its positions, `features` (n, 18) float32 what they were scored by; a flow's row is
    zero. `items` says the same for people and tests: the path of a request reads the arrays.
    """

    slate: NDArray[Any]
    features: NDArray[np.float32]
    relaxed: tuple[Relaxation, ...]
    short: bool
    seed: int
    snapshot_id: str
    policy_version: str

    @cached_property
    def items(self) -> tuple[FeedItem, ...]:
        """The feed, position by position."""
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
                reason=sentence(reason, self.features[index]),
            )
            for index, (identity, creator, score, propensity, row, is_flow, pool, slot, reason) in enumerate(
                self.slate.tolist()
            )
        )
