"""The ledger in Redis, shared by all workers and machines.

Keys: `session:{user_id}:{timestamp}` (list of packed feeds, an hour after the last), `watched:{user_id}` and
`hidden:{user_id}` (items scored by time, half a year), `shown:{user_id}` (item to feed id, a day).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import redis
from redis.asyncio.client import Pipeline

from engine.feed_types import Feed, Seen
from tracking.events import Event
from tracking.ledger import (
    MARK_SECONDS,
    MARKS,
    MOST_FEEDS,
    MOST_HIDDEN,
    MOST_WATCHED,
    SESSION_SECONDS,
    SHOWN_SECONDS,
    LedgerUnavailableError,
    pack_feed,
    seen_of,
    session_name,
)
from tracking.redis_client import Breaker, RedisConfig, request_client

MOST = {"watched": MOST_WATCHED, "hidden": MOST_HIDDEN}

# Many events are one command, because a pipeline of hundreds costs the client several times what it costs Redis.
# KEYS: marks of viewers. ARGV: their time to live in seconds, then per key the time, the item, how many are kept.
MARK = """
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, ARGV[3 * i - 1], ARGV[3 * i])
  redis.call('ZREMRANGEBYRANK', key, 0, -ARGV[3 * i + 1] - 1)
  redis.call('EXPIRE', key, ARGV[1])
end
return 0
"""
# KEYS: what was shown to viewers. ARGV: per key an item. Returns the feeds that showed them, or nothing.
LATEST = """
local feeds = {}
for i, key in ipairs(KEYS) do feeds[i] = redis.call('HGET', key, ARGV[i]) end
return feeds
"""


class RedisLedger:
    """Sessions and viewers in Redis; every call is one exchange within `config.timeout`. The buffer on the same Redis
    may share `breaker`.
    """

    def __init__(self, config: RedisConfig, *, breaker: Breaker | None = None) -> None:
        self._client, self._timeout, self._breaker = request_client(config), config.timeout, breaker or Breaker()
        self._mark, self._latest = self._client.register_script(MARK), self._client.register_script(LATEST)

    async def read(self, user_id: int, session_id: str) -> Seen:
        """What counts for the next feed; see `Ledger`."""
        async with self._exchange() as pipeline:
            pipeline.lrange(f"session:{session_name(user_id, session_id)}", 0, -1)
            pipeline.zrange(f"watched:{user_id}", 0, -1)
            pipeline.zrange(f"hidden:{user_id}", 0, -1)
            feeds, watched, hidden = await pipeline.execute()
        return seen_of(feeds, [item.decode() for item in watched], [item.decode() for item in hidden])

    async def served(self, user_id: int, session_id: str, feed_id: str, feed: Feed) -> None:
        """A feed was served; see `Ledger`."""
        if not feed.items:
            return
        session, shown = f"session:{session_name(user_id, session_id)}", f"shown:{user_id}"
        async with self._exchange() as pipeline:
            pipeline.rpush(session, pack_feed(feed))
            pipeline.ltrim(session, -MOST_FEEDS, -1)
            pipeline.expire(session, SESSION_SECONDS)
            pipeline.hset(shown, mapping={f"{item.kind}:{item.id}": feed_id for item in feed.items})
            pipeline.expire(shown, SHOWN_SECONDS)
            await pipeline.execute()

    async def acted(self, events: Sequence[Event]) -> None:
        """Viewers watched and hid; see `Ledger`."""
        marks = [(MARKS[event.event_type], event) for event in events if event.event_type in MARKS and event.item]
        if not marks:
            return
        arguments: list[str | float] = [MARK_SECONDS]
        for mark, event in marks:
            arguments += [event.timestamp.timestamp(), event.item or "", MOST[mark]]
        async with self._told():
            await self._mark(keys=[f"{mark}:{event.user_id}" for mark, event in marks], args=arguments)

    async def latest_feeds(self, events: Sequence[Event]) -> Mapping[str, str]:
        """The feeds that showed these events' items; see `Ledger`."""
        keys, items = [f"shown:{event.user_id}" for event in events], [event.item or "" for event in events]
        async with self._told():
            found = await self._latest(keys=keys, args=items)
        return {event.event_id: feed.decode() for event, feed in zip(events, found, strict=True) if feed}

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    @asynccontextmanager
    async def _exchange(self) -> AsyncIterator[Pipeline]:
        """A pipeline within the time limit."""
        async with self._told(), self._client.pipeline(transaction=False) as pipeline:
            yield pipeline

    @asynccontextmanager
    async def _told(self) -> AsyncIterator[None]:
        """Within the time limit; after a failure Redis is left alone for a while."""
        if self._breaker.open:
            raise LedgerUnavailableError("redis: paused after a failure")
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except (redis.RedisError, OSError, TimeoutError) as error:
            self._breaker.failed()
            raise LedgerUnavailableError(f"redis: {type(error).__name__}: {error}") from error
