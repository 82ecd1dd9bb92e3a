"""The buffer in Redis: a list per viewer, drained by renaming.

Keys: `user_activity:{user_id}` (events, expires), `feed_decisions:{user_id}` (records of served feeds, does not),
`activity_waiting` (names of lists with something in them, scored by when it began), `activity_draining` (renamed lists,
scored by when they began or were taken), `recent_event:{event_id}` (an hour, to tell duplicates at the edge).

A drain is RENAME and PERSIST in one script: RENAME carries the time to live along, so without PERSIST a list could
expire while the database is away. A drained list that nobody acknowledges is handed out again after `lease_seconds`, or
at once when its flusher releases it. Two flushers may then store the same list; unique ids make that harmless.
Scripts name keys of several slots, so a Redis Cluster will not do; a single Redis with an append-only file will.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import redis

from tracking.buffer import Batch, BufferUnavailableError, Kind, Record, Waiting
from tracking.redis_client import Breaker, RedisConfig, patient_client, request_client

log = logging.getLogger(__name__)

PREFIXES = {Kind.ACTIVITY: "user_activity:", Kind.DECISION: "feed_decisions:"}
WAITING, DRAINING, DRAINED = "activity_waiting", "activity_draining", "drained:"
DAY_SECONDS, RECENT_SECONDS, LEASE_SECONDS = 86_400, 3_600, 60.0
HELD_AT_ONCE, ADOPT_SECONDS = 1000, 600.0
FREE = 1e9
"""A drained list is free when its score is when it began minus this, and taken when its score is when it was taken."""

# KEYS: the waiting set, then the list of each record. ARGV: the lists' and the ids' time to live in milliseconds, then
# per record its event id (empty: no duplicate check, no expiry) and its body. Returns the places of duplicates.
PUSH = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local duplicates = {}
for i = 2, #KEYS do
  local id, body = ARGV[2 * i - 1], ARGV[2 * i]
  if id ~= '' and not redis.call('SET', 'recent_event:' .. id, '1', 'NX', 'PX', ARGV[2]) then
    duplicates[#duplicates + 1] = i - 2
  else
    redis.call('RPUSH', KEYS[i], body)
    if id ~= '' then redis.call('PEXPIRE', KEYS[i], ARGV[1]) end
    redis.call('ZADD', KEYS[1], 'NX', now, KEYS[i])
  end
end
return duplicates
"""

# KEYS: waiting, draining. ARGV: how many lists, a token for new names, the shift of a free list's score.
# Renames lists and takes their expiry away; each keeps when it began to wait in its name and its score.
HOLD = """
local held = redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1, 'WITHSCORES')
for i = 1, #held, 2 do
  local key, begun = held[i], tonumber(held[i + 1])
  if redis.call('EXISTS', key) == 1 then
    local drained = 'drained:' .. key .. ':' .. string.format('%.3f', begun) .. ':' .. ARGV[2]
    redis.call('RENAME', key, drained)
    redis.call('PERSIST', drained)
    redis.call('ZADD', KEYS[2], begun - tonumber(ARGV[3]), drained)
  end
  redis.call('ZREM', KEYS[1], key)
end
return #held
"""

# KEYS: draining. ARGV: how many records, the lease in seconds. Returns the lists that are now the caller's.
CLAIM = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local claimed, records = {}, 0
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]), 'LIMIT', 0, ARGV[1])) do
  if records >= tonumber(ARGV[1]) then break end
  local length = redis.call('LLEN', key)
  if length == 0 then
    redis.call('ZREM', KEYS[1], key)
  else
    redis.call('ZADD', KEYS[1], now, key)
    records, claimed[#claimed + 1] = records + length, key
  end
end
return claimed
"""


def _begun(key: str, score: float) -> float:
    """When a list began to wait, in seconds since 1970: its score, or in the name of a drained one."""
    return float(key.rsplit(":", 2)[1]) if key.startswith(DRAINED) else score


@contextmanager
def _told() -> Iterator[None]:
    """Whatever goes wrong with Redis is one error of the buffer."""
    try:
        yield
    except (redis.RedisError, OSError, TimeoutError) as error:
        raise BufferUnavailableError(f"redis: {type(error).__name__}: {error}") from error


class RedisBuffer:
    """Records in Redis. `ttl_seconds` is the lists' time to live, renewed by every push."""

    durability = "redis"

    def __init__(
        self, config: RedisConfig, *, ttl_seconds: float = DAY_SECONDS, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self._timeout, self._lease, self.expires_seconds = config.timeout, lease_seconds, ttl_seconds
        self._requests, self._patient = request_client(config), patient_client(config)
        self._push = self._requests.register_script(PUSH)
        self._hold, self._claim = self._patient.register_script(HOLD), self._patient.register_script(CLAIM)
        self._breaker, self._adopt_at = Breaker(), float("-inf")

    async def push(self, records: Sequence[Record], *, durable: bool = True) -> frozenset[str]:
        """Keep the records in one exchange, as durable as Redis is (`appendonly yes`); see `Buffer.push`."""
        if self._breaker.open:
            raise BufferUnavailableError("redis: paused after a failure")
        keys = [WAITING, *(f"{PREFIXES[record.kind]}{record.user_id}" for record in records)]
        arguments: list[Any] = [int((self.expires_seconds or 0) * 1000), RECENT_SECONDS * 1000]
        for record in records:
            arguments += [record.id if record.kind is Kind.ACTIVITY else "", record.body]
        try:
            with _told():
                async with asyncio.timeout(self._timeout):
                    duplicates = await self._push(keys=keys, args=arguments)
        except BufferUnavailableError:
            self._breaker.failed()
            raise
        return frozenset(records[place].id for place in duplicates)

    def waiting(self) -> Waiting:
        """Counts of lists that wait or were taken and not acknowledged."""
        with _told():
            self._adopt()
            scored: list[Any] = self._patient.zrange(WAITING, 0, -1, withscores=True)
            scored += self._patient.zrange(DRAINING, 0, -1, withscores=True)
            keys = [key.decode() for key, _ in scored]
            with self._patient.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.llen(key)
                lengths = pipeline.execute()
        activities = sum(n for key, n in zip(keys, lengths, strict=True) if PREFIXES[Kind.ACTIVITY] in key)
        begun = [_begun(key, score) for key, (_, score), n in zip(keys, scored, lengths, strict=True) if n]
        return Waiting(sum(lengths), activities, max(0.0, time.time() - min(begun)) if begun else 0.0)

    def take(self, limit: int) -> Batch | None:
        """Hold, claim the oldest lists that are free, and read them."""
        self.hold()
        with _told():
            keys = self._claim(keys=[DRAINING], args=[limit, self._lease])
            with self._patient.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.lrange(key, 0, -1)
                bodies = pipeline.execute()
        if not keys:
            return None
        found: dict[bool, list[bytes]] = {True: [], False: []}
        for key, lines in zip(keys, bodies, strict=True):
            found[key.startswith(f"{DRAINED}{PREFIXES[Kind.ACTIVITY]}".encode())] += lines
        return Batch(tuple(found[True]), tuple(found[False]), tuple(keys))

    def hold(self) -> None:
        """Rename every waiting list out of the reach of pushes and of expiry."""
        with _told():
            self._adopt()
            while self._hold(keys=[WAITING, DRAINING], args=[HELD_AT_ONCE, uuid4().hex, FREE]):
                pass

    def acknowledge(self, batch: Batch) -> None:
        """Forget the batch's lists."""
        self._settle(batch, delete=True)

    def release(self, batch: Batch) -> None:
        """Let the batch's lists be taken again at once."""
        self._settle(batch, delete=False)

    def _settle(self, batch: Batch, *, delete: bool) -> None:
        keys = list(batch.handle) if isinstance(batch.handle, tuple) else []
        with _told(), self._patient.pipeline(transaction=True) as pipeline:
            if delete:
                pipeline.delete(*keys)
                pipeline.zrem(DRAINING, *keys)
            else:
                pipeline.zadd(DRAINING, {key: _begun(key.decode(), 0.0) - FREE for key in keys}, xx=True)
            pipeline.execute()

    def _adopt(self) -> None:
        """Now and then, put lists that no index names (other programs may push too) on the waiting list."""
        if time.monotonic() < self._adopt_at:
            return
        for prefix in PREFIXES.values():
            for key in self._patient.scan_iter(f"{prefix}*", count=1000):
                self._patient.zadd(WAITING, {key: time.time()}, nx=True)
        self._adopt_at = time.monotonic() + ADOPT_SECONDS

    def warnings(self) -> list[str]:
        """What in Redis' own settings may lose events, in words; empty when nothing does."""
        with _told():
            found: Any = {**self._patient.config_get("appendonly"), **self._patient.config_get("maxmemory-policy")}
        told = []
        if found.get("appendonly") != "yes":
            told.append("redis keeps no append-only file: a crash of it loses what waits (set appendonly yes)")
        if found.get("maxmemory-policy", "noeviction") != "noeviction":
            told.append(f"redis may evict what waits (maxmemory-policy {found['maxmemory-policy']}, not noeviction)")
        return told

    async def close(self) -> None:
        """Close both clients."""
        await self._requests.aclose()
        self._patient.close()
