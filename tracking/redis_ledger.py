"""The ledger in Redis, shared by all workers and machines.

Keys: `session:{user_id}:{timestamp}` (list of packed feeds, an hour after the last), `watched:{user_id}` and
`hidden:{user_id}` (items scored by time, half a year), `shown:{user_id}:{day}` (item to feed id, gone after two days).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import redis

from engine.feed_types import NOTHING_SEEN, Feed, Seen
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
from tracking.redis_client import Breaker, RedisConfig
from tracking.redis_link import Argument, Command, RedisLink, Script

MOST = {"watched": MOST_WATCHED, "hidden": MOST_HIDDEN}

# Many events are one command, because a pipeline of hundreds costs the client several times what it costs Redis.
# KEYS: marks of viewers. ARGV: their time to live in seconds, then per key the time, the item, how many are kept.
MARK = Script("""
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, ARGV[3 * i - 1], ARGV[3 * i])
  redis.call('ZREMRANGEBYRANK', key, 0, -ARGV[3 * i + 1] - 1)
  redis.call('EXPIRE', key, ARGV[1])
end
return 0
""")
# KEYS: what was shown to viewers, two days each, the later first. ARGV: per pair an item. Returns the feeds that showed
# them, or nothing.
LATEST = Script("""
local feeds = {}
for i, item in ipairs(ARGV) do
  feeds[i] = redis.call('HGET', KEYS[2 * i - 1], item) or redis.call('HGET', KEYS[2 * i], item)
end
return feeds
""")


class RedisLedger:
    """Sessions and viewers in Redis; every call is one exchange within `config.timeout`. The buffer on the same Redis
    may share `breaker` and `link`.
    """

    def __init__(
        self,
        config: RedisConfig,
        *,
        breaker: Breaker | None = None,
        link: RedisLink | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._link, self._breaker, self._clock = link or RedisLink(config), breaker or Breaker(), clock

    async def read(self, user_id: int, session_id: str) -> Seen:
        """What counts for the next feed; see `Ledger`."""
        commands: list[Command] = [
            ("LRANGE", f"session:{session_name(user_id, session_id)}", 0, -1),
            ("ZRANGE", f"watched:{user_id}", 0, -1),
            ("ZRANGE", f"hidden:{user_id}", 0, -1),
        ]
        with self._told():
            feeds, watched, hidden = await self._link.ask(commands)
        if not (feeds or watched or hidden):
            return NOTHING_SEEN
        return seen_of(feeds, [item.decode() for item in watched], [item.decode() for item in hidden])

    async def served(self, user_id: int, session_id: str, feed_id: str, feed: Feed) -> None:
        """A feed was served; see `Ledger`."""
        if not len(feed.slate):
            return
        session, shown = f"session:{session_name(user_id, session_id)}", self._shown(user_id)
        items = [word for name in feed.names for word in (name, feed_id)]
        commands: list[Command] = [
            ("RPUSH", session, pack_feed(feed)),
            ("LTRIM", session, -MOST_FEEDS, -1),
            ("EXPIRE", session, SESSION_SECONDS),
            ("HSET", shown, *items),
            ("EXPIRE", shown, 2 * SHOWN_SECONDS),
        ]
        with self._told():
            await self._link.ask(commands)

    async def acted(self, events: Sequence[Event]) -> None:
        """Viewers watched and hid; see `Ledger`."""
        marks = [(MARKS[event.event_type], event) for event in events if event.event_type in MARKS and event.item]
        if not marks:
            return
        arguments: list[Argument] = [MARK_SECONDS]
        for mark, event in marks:
            arguments += [event.timestamp.timestamp(), event.item or "", MOST[mark]]
        with self._told():
            await self._link.run(MARK, [f"{mark}:{event.user_id}" for mark, event in marks], arguments)

    async def latest_feeds(self, events: Sequence[Event]) -> Mapping[str, str]:
        """The feeds that showed these events' items; see `Ledger`."""
        keys = [self._shown(event.user_id, back) for event in events for back in (0, 1)]
        items = [event.item or "" for event in events]
        with self._told():
            found = await self._link.run(LATEST, keys, items)
        return {event.event_id: feed.decode() for event, feed in zip(events, found, strict=True) if feed}

    def _shown(self, user_id: int, back: int = 0) -> str:
        return f"shown:{user_id}:{int(self._clock() // SHOWN_SECONDS) - back}"

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever goes wrong with Redis is one error of the ledger, and Redis is left alone for a while."""
        if self._breaker.open:
            raise LedgerUnavailableError("redis: paused after a failure")
        try:
            yield
        except (redis.RedisError, OSError, TimeoutError) as error:
            self._breaker.failed()
            raise LedgerUnavailableError(f"redis: {type(error).__name__}: {error}") from error
