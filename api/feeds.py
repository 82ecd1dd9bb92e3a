"""One feed, from a checked request to the bytes of its answer: remember, choose, note, write down."""

import logging
import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from api import metrics
from api.errors import ProblemError
from api.runtime import Runtime
from api.schemas import FeedBody
from engine.engine import Engine
from engine.feed_types import Feed, FeedRequest
from tracking.tracker import Tracker

logger = logging.getLogger(__name__)
SEED_BITS = 53  # a random seed survives a client whose numbers are doubles


@dataclass(frozen=True, slots=True)
class Feeds:
    """Serves feeds with the engine in use; `tracker` knows what sessions saw and keeps what was decided."""

    runtime: Runtime
    tracker: Tracker

    async def answer(self, body: FeedBody) -> bytes:
        """The JSON of one feed. Raises 503 while there is no snapshot."""
        engine = self.runtime.engine
        if engine is None:
            raise no_snapshot(self.runtime)
        served = Served(body, datetime.now(UTC))
        seen, missing = await self.tracker.seen(body.user_id, served.session_id)
        feed = engine.feed(
            FeedRequest(
                user_id=body.user_id,
                seed=secrets.randbits(SEED_BITS) if body.seed is None else body.seed,
                size=body.size,
                excluded_videos=body.excluded("video"),
                excluded_flows=body.excluded("flow"),
                seen=seen,
            )
        )
        unrecorded = await self.tracker.record(
            feed, feed_id=served.feed_id, session_id=served.session_id, user_id=body.user_id, served_at=served.at
        )
        degraded = list(dict.fromkeys([*missing, *unrecorded]))
        count(feed, degraded)
        return write(engine, feed, served, degraded)


class Served:
    """Who was served what when: the names of one answer."""

    __slots__ = ("at", "feed_id", "session_id", "user_id")

    def __init__(self, body: FeedBody, at: datetime) -> None:
        self.at, self.user_id, self.feed_id = at, body.user_id, str(uuid.uuid4())
        self.session_id = body.session_id or f"{body.user_id}:{int(at.timestamp() * 1000)}"


def no_snapshot(runtime: Runtime) -> ProblemError:
    """503 until the first snapshot is there."""
    detail = "There is no snapshot yet; the first one is being built. /health says how far it is"
    return ProblemError(503, runtime.problem or detail, code="no_snapshot", retry_after=2)


def write(engine: Engine, feed: Feed, served: Served, degraded: list[str]) -> bytes:
    """The answer: a small head, the items' ready JSON joined, a small tail."""
    head = {
        "feed_id": served.feed_id,
        "user_id": served.user_id,
        "session_id": served.session_id,
        "snapshot_id": feed.snapshot_id,
        "policy_version": feed.policy_version,
        "seed": feed.seed,
        "served_at": moment(served.at),
        "mix_ids": [f"{item.kind}:{item.id}" for item in feed.items],
    }
    relaxed = [{"position": entry.position, "rule": entry.rule} for entry in feed.relaxed]
    tail = {"relaxed": relaxed, "short": feed.short, "degraded": degraded}
    items = b",".join(engine.render(feed))
    return b"".join((orjson.dumps(head)[:-1], b',"items":[', items, b"],", orjson.dumps(tail)[1:]))


def moment(when: datetime) -> str:
    """ISO-8601 UTC to the millisecond."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def count(feed: Feed, degraded: list[str]) -> None:
    """Into the metrics."""
    pools: dict[str, int] = {}
    for item in feed.items:
        pools[item.pool] = pools.get(item.pool, 0) + 1
    for pool, number in pools.items():
        metrics.feed_items.labels(pool).inc(number)
    for entry in feed.relaxed:
        metrics.relaxations.labels(entry.rule).inc()
    if feed.short:
        metrics.short_feeds.inc()
    for part in degraded:
        metrics.degraded_feeds.labels(part).inc()
