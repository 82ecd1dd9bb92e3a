"""What an act is worth: one table (reasons: `docs/rewards.md`), in kinds that stay apart until the reward is used.

The reward of an examined item is the weighted sum of its kinds, each in [0, 1]. The bandits' sums are kept per kind, so
the weights can change without learning anything again.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tracking.events import Event

REWARDS: dict[str, float] = {"watch": 0.40, "like": 0.20, "rating": 0.15, "connection": 0.15, "share": 0.10}
KINDS: tuple[str, ...] = tuple(REWARDS)
WEIGHTS: tuple[float, ...] = tuple(REWARDS.values())

FULL_SHARE: tuple[tuple[float, float], ...] = ((15.0, 1.0), (60.0, 0.8), (180.0, 0.6), (float("inf"), 0.4))
"""(durations up to this many seconds, share watched that counts as a full watch), shortest bucket first."""
UNMEASURED_VIEW = 0.5
"""Watch value of a view that does not say how long: it was opened, no more is known."""
USUAL_DURATION = 30.0
"""Seconds assumed where the watched seconds are known and the duration is not."""

WATCH, LIKE, RATING, CONNECTION, SHARE = range(len(KINDS))


def kind_values(acts: Sequence[Event]) -> NDArray[np.float64]:
    """The value (K,) in [0, 1] of every kind, from all acts of one viewer on one item of one feed.

    A function of the set of acts: order and repetition change nothing. Skip and hide add nothing.
    """
    values = np.zeros(len(KINDS))
    latest = None
    for act in acts:
        if act.event_type == "video_view":
            values[WATCH] = max(values[WATCH], watch_value(act.watch_seconds, act.duration_seconds))
        elif act.event_type == "like":
            values[LIKE] = 1.0
        elif act.event_type == "connection":
            values[CONNECTION] = 1.0
        elif act.event_type == "share":
            values[SHARE] = 1.0
        elif act.event_type == "rating":
            key = (act.timestamp, act.event_id)
            latest = act if latest is None or key > (latest.timestamp, latest.event_id) else latest
    values[RATING] = 0.0 if latest is None else rating_value(latest.rating)
    return values


def watch_value(watched: float | None, duration: float | None) -> float:
    """How full a watch was, in [0, 1]: the share watched over the share that is full for videos this long (seconds).

    >>> watch_value(15.0, 15.0), watch_value(30.0, 300.0), watch_value(120.0, 300.0), watch_value(None, None)
    (1.0, 0.25, 1.0, 0.5)
    """
    if watched is None:
        return UNMEASURED_VIEW
    length = duration or USUAL_DURATION
    full = next(share for longest, share in FULL_SHARE if length <= longest)
    return float(min(1.0, watched / (length * full)))


def rating_value(rating: float | None) -> float:
    """Stars 1 to 5 to [0, 1]: one star is worth nothing, not a fifth.

    >>> rating_value(1), rating_value(4), rating_value(5)
    (0.0, 0.75, 1.0)
    """
    return 0.0 if rating is None else float(min(1.0, max(0.0, (rating - 1.0) / 4.0)))
