"""The record of a served feed: all that learning needs, and all that recomputes the choice (snapshot, policy, seed).

Features are kept as base64 of float32 little-endian bytes, row after row of the eighteen: 24 positions take 2.3 KB and
come back bit for bit, where decimal text would take about 5 KB.
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.config import POOL_NAMES
from engine.features import DIMENSIONS
from engine.feed_types import KINDS, Feed
from tracking.served import RECORDED
from tracking.times import milliseconds, of_iso, to_iso


class Shown(NamedTuple):
    """One position: what was shown, the pool the pattern planned, the pool that showed it, and how likely that was."""

    kind: str  # "video" or "flow"
    id: int
    slot: str
    pool: str
    propensity: float

    @property
    def item(self) -> str:
        """`video:12` or `flow:3`."""
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decision:
    """A served feed. `shown[p - 1]` is position p; `features` (n, 18) float32 belong to it row by row."""

    feed_id: str
    user_id: int
    session_id: str
    served_at: datetime
    snapshot_id: str
    policy_version: str
    seed: int
    shown: tuple[Shown, ...]
    features: NDArray[np.float32]

    @classmethod
    def of_feed(cls, feed: Feed, *, feed_id: str, user_id: int, session_id: str, served_at: datetime) -> "Decision":
        """The record of a feed that was served to `user_id` at `served_at`."""
        return cls(
            feed_id=feed_id,
            user_id=user_id,
            session_id=session_id,
            served_at=milliseconds(served_at),
            snapshot_id=feed.snapshot_id,
            policy_version=feed.policy_version,
            seed=feed.seed,
            shown=_shown(b"".join([feed.slate[name].tobytes() for name, _ in RECORDED])),
            features=feed.features,
        )

    def __post_init__(self) -> None:
        if self.features.shape != (len(self.shown), DIMENSIONS) or not np.isfinite(self.features).all():
            raise ValueError(f"features: not {len(self.shown)} finite rows of {DIMENSIONS}")
        if not all(0.0 <= one.propensity <= 1.0 for one in self.shown):
            raise ValueError("propensity: not within 0 and 1")

    def to_json(self) -> bytes:
        """One line of JSON, as it waits to be stored."""
        columns = {
            "id": [one.id for one in self.shown],
            "propensity": [one.propensity for one in self.shown],
            "is_flow": [KINDS.index(one.kind) for one in self.shown],
            "slot": [POOL_NAMES.index(one.slot) for one in self.shown],
            "pool": [POOL_NAMES.index(one.pool) for one in self.shown],
        }
        names = ("feed_id", "user_id", "session_id", "snapshot_id", "policy_version", "seed")
        values: dict[str, object] = {name: getattr(self, name) for name in names}
        slate = b"".join([np.array(columns[name], dtype=kind).tobytes() for name, kind in RECORDED])
        values |= {"served_at": to_iso(self.served_at), "slate": b64encode(slate).decode()}
        return orjson.dumps(values | {"features": pack_features(self.features)})

    @classmethod
    def of_json(cls, body: bytes) -> "Decision":
        """The record that `to_json` wrote. Raises ValueError, TypeError or KeyError on anything else."""
        values = orjson.loads(body)
        names = ("feed_id", "session_id", "snapshot_id", "policy_version")
        return cls(
            **{name: str(values[name]) for name in names},
            user_id=int(values["user_id"]),
            seed=int(values["seed"]),
            served_at=of_iso(values["served_at"]),
            shown=_waiting(values),
            features=unpack_features(values["features"]),
        )


def _waiting(values: dict[str, Any]) -> tuple[Shown, ...]:
    """The positions of a waiting record; one that has waited since before there were columns has them as feed_log."""
    return _shown(b64decode(values["slate"], validate=True)) if "slate" in values else unpack_items(values["items"])


def _shown(columns: bytes) -> tuple[Shown, ...]:
    """The positions of a record's `slate`. Raises ValueError when it is no whole number of them, or names no pool."""
    count, rest = divmod(len(columns), sum(np.dtype(kind).itemsize for _, kind in RECORDED))
    if rest:
        raise ValueError("slate: not a whole number of positions")
    found, start = [], 0
    for _, kind in RECORDED:
        found.append(np.frombuffer(columns, kind, count, start).tolist())
        start += count * np.dtype(kind).itemsize
    try:
        return tuple(
            Shown(KINDS[is_flow], identity, POOL_NAMES[slot], POOL_NAMES[pool], propensity)
            for identity, propensity, is_flow, slot, pool in zip(*found, strict=True)
        )
    except IndexError:
        raise ValueError("slate: an unknown pool or kind") from None


def pack_items(shown: tuple[Shown, ...]) -> str:
    """The positions as compact JSON: `[["video", 12, "AU", "AU", 0.25], ...]`."""
    return orjson.dumps([tuple(one) for one in shown]).decode()


def unpack_items(text: str) -> tuple[Shown, ...]:
    """The inverse of `pack_items`."""
    return tuple(Shown(*entry) for entry in orjson.loads(text))


def pack_features(features: NDArray[np.float32]) -> str:
    """Features (n, 18) as base64 text."""
    return b64encode(np.ascontiguousarray(features, dtype="<f4").tobytes()).decode()


def unpack_features(text: str) -> NDArray[np.float32]:
    """The inverse of `pack_features`. Raises ValueError when the length is not a whole number of rows."""
    return np.frombuffer(b64decode(text, validate=True), dtype="<f4").reshape(-1, DIMENSIONS).astype(np.float32)
