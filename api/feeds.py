"""One feed, from a checked request to the bytes of its answer: remember, choose, note, write down."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from api import identifiers, metrics
from api.errors import ProblemError
from api.runtime import Runtime
from api.schemas import FeedBody
from api.turns import Turns
from engine.config import POOL_NAMES
from engine.engine import Engine
from engine.feed_types import FeedRequest, Relaxation
from tracking.served import Served
from tracking.tracker import Tracker

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Feeds:
    """Serves feeds with the engine in use; `tracker` knows what sessions saw and keeps what was decided."""

    runtime: Runtime
    tracker: Tracker
    pages: Turns = field(default_factory=Turns)

    async def answer(self, body: FeedBody) -> bytes:
        """The JSON of one feed. Raises 503 while there is no snapshot."""
        engine = self.runtime.engine
        if engine is None:
            raise no_snapshot(self.runtime)
        at = datetime.now(UTC)
        if body.session_id is None:
            return await self._answer(engine, body, f"{body.user_id}:{identifiers.session_start(at.timestamp())}", at)
        # An app may ask for the next page before this one is recorded: pages of a session wait for each other.
        if not self.pages.begin(body.session_id):
            await self.pages.wait(body.session_id)
        try:
            return await self._answer(engine, body, body.session_id, at)
        finally:
            self.pages.leave(body.session_id)

    async def _answer(self, engine: Engine, body: FeedBody, session_id: str, at: datetime) -> bytes:
        user_id = body.user_id
        seen, missing = await self.tracker.seen(user_id, session_id)
        feed = engine.feed(
            FeedRequest(
                user_id,
                identifiers.seed() if body.seed is None else body.seed,
                body.size,
                body.excluded("video"),
                body.excluded("flow"),
                seen,
            )
        )
        served = Served(feed, feed_id=identifiers.uuid4(), user_id=user_id, session_id=session_id, served_at=at)
        unrecorded = await self.tracker.record(served)
        degraded = list(dict.fromkeys([*missing, *unrecorded])) if missing or unrecorded else []
        count(served, degraded)
        return write(engine, served, degraded)


def no_snapshot(runtime: Runtime) -> ProblemError:
    """503 until the first snapshot is there."""
    detail = "There is no snapshot yet. /health says whether one is being built, and what stands in its way"
    return ProblemError(503, runtime.problem or detail, code="no_snapshot", retry_after=2)


def write(engine: Engine, served: Served, degraded: list[str]) -> bytes:
    """The answer: a small head, the items' ready JSON joined, a small tail."""
    feed = served.feed
    usual = not (feed.relaxed or feed.short or degraded)
    tail = USUAL_TAIL if usual else tail_of(feed.relaxed, feed.short, degraded)
    return b'%b,"mix_ids":%b,"items":%b%b' % (served.head, served.packed.names, engine.render(feed), tail)


def tail_of(relaxed: Sequence[Relaxation], short: bool, degraded: list[str]) -> bytes:
    """The answer's last members."""
    told = [{"position": entry.position, "rule": entry.rule} for entry in relaxed]
    return b"," + orjson.dumps({"relaxed": told, "short": short, "degraded": degraded})[1:]


USUAL_TAIL = tail_of((), False, [])


def count(served: Served, degraded: list[str]) -> None:
    """Into the metrics."""
    feed = served.feed
    tally = metrics.tally
    tally.count_each(metrics.feed_items, POOL_NAMES, served.packed.pools)
    for entry in feed.relaxed:
        tally.count(metrics.relaxations, entry.rule)
    if feed.short:
        tally.count(metrics.short_feeds)
    for part in degraded:
        tally.count(metrics.degraded_feeds, part)
