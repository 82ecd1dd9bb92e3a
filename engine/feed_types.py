"""What goes into a feed and what comes out of it: plain frozen data, shared with tracking and the API."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Seen:
    """What a viewer was served, watched and hid before this request.

    Ids, not rows. `served_*` and `last_creators` belong to the session; `watched_*` and `hidden_*` to the viewer.
    `last_creators` are the creators of the session's last items, oldest first (at most 95 are looked at).
    """

    served_videos: tuple[int, ...] = ()
    served_flows: tuple[int, ...] = ()
    watched_videos: tuple[int, ...] = ()
    watched_flows: tuple[int, ...] = ()
    hidden_videos: tuple[int, ...] = ()
    hidden_flows: tuple[int, ...] = ()
    last_creators: tuple[int, ...] = ()


NOTHING_SEEN = Seen()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRequest:
    """One request. `seed` is an unsigned 63-bit integer; `size` is 1 to 96."""

    user_id: int
    seed: int
    size: int = 24
    excluded_videos: tuple[int, ...] = ()
    excluded_flows: tuple[int, ...] = ()
    seen: Seen = field(default=NOTHING_SEEN)


class FeedItem(NamedTuple):
    """One position of a feed. A named tuple, because a feed makes dozens and frozen dataclasses take their time.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A finished feed and all that reproduces it. `features` has shape (len(items), 18); a flow's row is zero."""

    items: tuple[FeedItem, ...]
    relaxed: tuple[Relaxation, ...]
    short: bool
    seed: int
    snapshot_id: str
    policy_version: str
    features: NDArray[np.float32]
