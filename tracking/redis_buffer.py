"""The buffer in Redis: a list per viewer, drained by renaming.

Keys: `user_activity:{user_id}` (events, expires), `feed_decisions:{user_id}` (records of served feeds, does not),
`activity_waiting` (names of lists with something in them, scored by when it began), `activity_draining` (renamed lists,
scored by when they began or were taken), `activity_totals` (how much waits), `recent_event:{event_id}` (an hour, to
tell duplicates at the edge).

A drain is RENAME and PERSIST in one script: RENAME carries the time to live along, so without PERSIST a list could
expire while the database is away. A drained list that nobody acknowledges is handed out again after `lease_seconds`, or
at once when its flusher releases it. Two flushers may then store the same list; unique ids make that harmless.
Scripts name keys of several slots, so a Redis Cluster will not do; a single Redis with an append-only file will.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import redis

from tracking.buffer import Batch, BufferUnavailableError, Kind, Record, Waiting
from tracking.redis_client import Breaker, RedisConfig, in_words, patient_client
from tracking.redis_commands import Argument, Script
from tracking.redis_link import RedisLink
from tracking.redis_scripts import ADOPT, CLAIM, FORGET, HOLD, PUSH, RELEASE

log = logging.getLogger(__name__)

ACTIVITIES, DECISIONS = "user_activity:", "feed_decisions:"
PREFIXES = {Kind.ACTIVITY: ACTIVITIES, Kind.DECISION: DECISIONS}
TOTALS = {Kind.ACTIVITY: "activities", Kind.DECISION: "decisions"}
WAITING, DRAINING, DRAINED, SUMS = "activity_waiting", "activity_draining", "drained:", "activity_totals"
DAY_SECONDS, RECENT_SECONDS, LEASE_SECONDS = 86_400, 3_600, 60.0
_PUSH = Script(PUSH)
HELD_AT_ONCE, MOST_TAKEN, ADOPT_SECONDS = 1000, 4000, 600.0
NONE_KNOWN = frozenset[str]()
LOST = {"everysec": "its last two seconds", "no": "what the system has not written yet"}
FREE = 1e10
"""A free drained list's score is when it began minus this (so below 0), a taken one's is when it was taken."""


def _begun(drained: str) -> float:
    """When a drained list began to wait, in seconds since 1970: it stands in its name."""
    return float(drained.rsplit(":", 2)[1])


def _kind(key: str) -> Kind:
    """What a list holds, drained or not."""
    return Kind.DECISION if key.removeprefix(DRAINED).startswith(DECISIONS) else Kind.ACTIVITY


@contextmanager
def told() -> Iterator[None]:
    """Whatever goes wrong with Redis is one error of the buffer."""
    try:
        yield
    except (redis.RedisError, OSError, TimeoutError) as error:
        raise BufferUnavailableError(in_words(error)) from error


def risks(found: Mapping[str, Any]) -> list[str]:
    """What in Redis' INFO says that events may be lost or are refused, in words."""
    told = []
    if not found.get("aof_enabled"):
        told.append("redis keeps no append-only file: a crash of it loses what waits (set appendonly yes)")
    if found.get("maxmemory_policy", "noeviction") != "noeviction":
        told.append(f"redis may evict what waits (maxmemory-policy {found['maxmemory_policy']}, not noeviction)")
    if 0 < found.get("maxmemory", 0) <= found.get("used_memory", 0):
        told.append("redis' memory is full: what it refuses goes to the local disk (raise maxmemory)")
    if found.get("role") == "slave":
        told.append("redis is a replica, which takes no writes: events go to the local disk (name the primary)")
    return told


class RedisBuffer:
    """Records in Redis. `ttl_seconds` is the lists' time to live, renewed by every push; whoever else talks to the same
    Redis may share `breaker`, so that one failure spares all of them the wait, and `link`.
    """

    durability = name = "redis"

    def __init__(
        self,
        config: RedisConfig,
        *,
        ttl_seconds: float = DAY_SECONDS,
        lease_seconds: float = LEASE_SECONDS,
        breaker: Breaker | None = None,
        link: RedisLink | None = None,
    ) -> None:
        self._lease = lease_seconds
        self.expires_seconds: float | None = ttl_seconds
        self._link, self._patient = link or RedisLink(config), patient_client(config)
        self._breaker, self._adopt_at = breaker or Breaker(), float("-inf")
        self._hold, self._claim = self._patient.register_script(HOLD), self._patient.register_script(CLAIM)
        self._forget, self._release = self._patient.register_script(FORGET), self._patient.register_script(RELEASE)
        self._adopt_lists = self._patient.register_script(ADOPT)

    async def push(self, records: Sequence[Record], *, durable: bool = True) -> frozenset[str]:
        """Keep the records in one exchange, as durable as Redis is (see `warnings`); see `Buffer.push`."""
        if self._breaker.open:
            raise BufferUnavailableError(self._breaker.reason)
        keys = [WAITING, SUMS]
        arguments: list[Argument] = [int((self.expires_seconds or 0) * 1000), RECENT_SECONDS * 1000]
        for kind, event_id, user_id, body in records:
            keys.append(f"{PREFIXES[kind]}{user_id}")
            arguments += (event_id if kind is Kind.ACTIVITY else "", body)
        try:
            duplicates = await self._link.run(_PUSH, keys, arguments)
        except (redis.RedisError, OSError, TimeoutError) as error:
            self._breaker.failed(error)
            raise BufferUnavailableError(in_words(error)) from error
        return frozenset([records[place].id for place in duplicates]) if duplicates else NONE_KNOWN

    def waiting(self) -> Waiting:
        """What waits or was taken and not acknowledged, from totals: its cost does not grow with the backlog."""
        with told():
            self._adopt()
            with self._patient.pipeline(transaction=False) as pipeline:
                pipeline.hmget(SUMS, *TOTALS.values(), "bytes")
                pipeline.zcard(WAITING)
                pipeline.zcard(DRAINING)
                pipeline.zrange(WAITING, 0, 0, withscores=True)
                pipeline.zrange(DRAINING, 0, 0)
                pipeline.zrangebyscore(DRAINING, 0, "+inf", 0, MOST_TAKEN)
                pipeline.time()
                totals, waiting, drained, first, free, taken, clock = pipeline.execute()
        activities, decisions, size = (max(0, int(total or 0)) for total in totals)
        begun = [score for _, score in first] + [_begun(key.decode()) for key in (*free, *taken)]
        oldest = max(0.0, clock[0] + clock[1] / 1e6 - min(begun)) if begun else 0.0
        return Waiting(max(activities + decisions, waiting + drained), activities, oldest, size)

    def take(self, limit: int) -> Batch | None:
        """Hold, claim the oldest lists that are free, and read them."""
        self.hold()
        with told():
            claimed = self._claim(keys=[DRAINING, WAITING, SUMS], args=[limit, self._lease])
            with self._patient.pipeline(transaction=False) as pipeline:
                for key in claimed:
                    pipeline.lrange(key, 0, -1)
                bodies = pipeline.execute()
        if not claimed:
            return None
        keys = [key.decode() for key in claimed]
        found: dict[Kind, list[bytes]] = {kind: [] for kind in Kind}
        for key, lines in zip(keys, bodies, strict=True):
            found[_kind(key)] += lines
        sizes = {key: sum(map(len, lines)) for key, lines in zip(keys, bodies, strict=True)}
        return Batch(tuple(found[Kind.ACTIVITY]), tuple(found[Kind.DECISION]), sizes, min(map(_begun, keys)))

    def hold(self, *, older_seconds: float = 0.0) -> None:
        """Rename every waiting list that began so long ago out of the reach of pushes and of expiry."""
        with told():
            self._adopt()
            before: float | str = "+inf"
            if older_seconds:
                seconds, microseconds = self._patient.time()
                before = seconds + microseconds / 1e6 - older_seconds
            while self._hold(keys=[WAITING, DRAINING], args=[HELD_AT_ONCE, uuid4().hex, FREE, before]):
                pass

    def acknowledge(self, batch: Batch) -> None:
        """Forget the batch's lists."""
        assert isinstance(batch.handle, dict)
        arguments = [part for key, size in batch.handle.items() for part in (key, TOTALS[_kind(key)], size)]
        with told():
            self._forget(keys=[DRAINING, SUMS], args=arguments)

    def release(self, batch: Batch) -> None:
        """Let the batch's lists be taken again at once."""
        assert isinstance(batch.handle, dict)
        self._free(list(batch.handle))

    def recover(self) -> None:
        """Let lists that a flusher took and never acknowledged be taken at once, not when their lease ends."""
        with told():
            taken: list[Any] = self._patient.zrangebyscore(DRAINING, 0, "+inf")
        self._free([key.decode() for key in taken])

    def _free(self, keys: Sequence[str]) -> None:
        with told():
            self._release(keys=[DRAINING], args=[part for key in keys for part in (_begun(key) - FREE, key)])

    def _adopt(self) -> None:
        """Now and then, put lists that no index names (other programs may push too) on the waiting list."""
        if time.monotonic() < self._adopt_at:
            return
        for kind, prefix in PREFIXES.items():
            keys = list(self._patient.scan_iter(f"{prefix}*", count=1000))
            for start in range(0, len(keys), HELD_AT_ONCE):
                arguments = [time.time(), TOTALS[kind], *keys[start : start + HELD_AT_ONCE]]
                for key in self._adopt_lists(keys=[WAITING, SUMS], args=arguments):
                    log.error(
                        "redis key %s is no list, so it holds no activity of ours; it is left alone", key.decode()
                    )
        self._adopt_at = time.monotonic() + ADOPT_SECONDS

    def warnings(self) -> list[str]:
        """What in Redis' own settings may lose events, in words; empty when nothing does.

        Raises BufferUnavailableError, also while Redis reads its files.
        """
        with told():
            found: Any = self._patient.info()
            if found.get("loading"):  # its settings are not in force yet
                raise redis.BusyLoadingError("Redis is loading its files")
        return risks(found)

    def hints(self) -> list[str]:
        """What could be safer without being wrong; empty too where Redis does not tell its settings."""
        with told():
            try:
                rules: Any = self._patient.config_get("appendfsync")
            except redis.ResponseError:
                return []
        if (rule := rules.get("appendfsync", "always")) == "always":
            return []
        return [f"redis answers before its disk has it (appendfsync {rule}): a crash of it may lose {LOST[rule]}"]

    async def close(self) -> None:
        """Close both connections."""
        await self._link.close()
        self._patient.close()
