"""The ledger in Redis, shared by all workers and machines.

Keys: `session:{user_id}:{timestamp}` (list of packed feeds, an hour after the last), `watched:{user_id}` and
`hidden:{user_id}` (items scored by when the act arrived, half a year after the last), `recent_feeds:{user_id}:{day}`
(list of feeds with their items, gone after two days).
"""

from asyncio import Future
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import redis

from engine.feed_types import Seen
from tracking.events import Event
from tracking.ledger import (
    MARK_SECONDS,
    MARKS,
    MOST_FEEDS,
    MOST_HIDDEN,
    MOST_RECENT,
    MOST_WATCHED,
    NOTHING_MISSED,
    SESSION_SECONDS,
    SHOWN_SECONDS,
    LedgerDamagedError,
    LedgerUnavailableError,
    Missed,
    seen_of,
    session_name,
)
from tracking.redis_client import Breaker, RedisConfig, in_words
from tracking.redis_commands import Argument, Script, Template
from tracking.redis_link import RedisLink, Replies, successes
from tracking.served import Served

READ = Template("LRANGE $session 0 -1", "ZRANGE $watched 0 -1", "ZRANGE $hidden 0 -1")
REMEMBER = (
    "RPUSH $session $kept",
    f"LTRIM $session {-MOST_FEEDS} -1",
    f"EXPIRE $session {SESSION_SECONDS}",
    "LPUSH $recent $entry",
    f"LTRIM $recent 0 {MOST_RECENT - 1}",
    f"EXPIRE $recent {2 * SHOWN_SECONDS}",
)
"""The commands that remember a feed; `remembered` gives their words."""
SERVED = Template(*REMEMBER)
MOST = {"watched": MOST_WATCHED, "hidden": MOST_HIDDEN}

# Many events are one command, because a pipeline of hundreds costs the client several times what it costs Redis.
# KEYS: marks of viewers. ARGV: their time to live in seconds, then per key the item and how many are kept. These are
# the latest, so an act counts as later than all before it even when Redis' clock has gone back.
MARK = Script("""
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local latest, most = {}, {}
for i, key in ipairs(KEYS) do
  local before = latest[key] or tonumber(redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2] or 0)
  latest[key] = math.max(now, before + 0.000001)
  redis.call('ZADD', key, latest[key], ARGV[2 * i])
  most[key] = ARGV[2 * i + 1]
end
for key, kept in pairs(most) do
  redis.call('ZREMRANGEBYRANK', key, 0, -kept - 1)
  redis.call('EXPIRE', key, ARGV[1])
end
return 0
""")
# KEYS: per viewer the lists of two days, the later first. ARGV: how much may be looked at (in bytes of feeds), how many
# feeds of a viewer, then per viewer how many items, and the items. Returns per viewer, per item the feed that showed it
# last, or nothing. While a script runs Redis answers nobody else, so it leaves off when it has looked at so much: the
# viewers behind are missing in what it returns. Looking for many items at once costs some four times that for few.
LATEST = Script("""
local left, at, answers = tonumber(ARGV[1]), 3, {}
for i = 1, #KEYS, 2 do
  if left <= 0 then break end
  local count, shown, unseen = tonumber(ARGV[at]), {}, tonumber(ARGV[2])
  local missing = count
  for j = at + 1, at + count do shown[ARGV[j]] = false end
  for day = i, i + 1 do
    local from, most = 0, 10
    while missing > 0 and unseen > 0 and most > 0 do
      most = math.min(most, unseen)
      local entries = redis.pcall('LRANGE', KEYS[day], from, from + most - 1)
      for _, entry in ipairs(entries) do
        local feed = string.match(entry, '^[%w-]+') or ''
        unseen = unseen - 1
        if missing > 4 then
          left = left - 4 * #entry
          for item in string.gmatch(entry, '"([^"]+)"') do
            if shown[item] == false then shown[item], missing = feed, missing - 1 end
          end
        elseif missing > 0 then
          left = left - #entry
          for item, known in pairs(shown) do
            if not known and string.find(entry, '"' .. item .. '"', 1, true) then
              shown[item], missing = feed, missing - 1
            end
          end
        end
      end
      if from == 0 and #entries == most then from, most = most, unseen else most = 0 end
    end
  end
  local feeds = {}
  for j = 1, count do feeds[j] = shown[ARGV[at + j]] end
  answers[#answers + 1], at = feeds, at + count + 1
end
return answers
""")
VIEWERS_AT_ONCE, BYTES_AT_ONCE = 250, 1 << 18


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
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._link, self._breaker = link or RedisLink(config), breaker or Breaker()
        self._clock = clock or self._link.now  # the days of `recent_feeds` are the same for all machines

    async def read(self, user_id: int, session_id: str, missed: Missed = NOTHING_MISSED) -> Seen:
        """What counts for the next feed; see `Ledger`."""
        session = b"session:" + session_name(user_id, session_id).encode()
        commands = READ.pack(session, b"watched:%d" % user_id, b"hidden:%d" % user_id)
        feeds, watched, hidden = await self._answers(self._sent(commands, READ.count))
        return seen_of(feeds, watched, hidden, missed)

    def served(self, served: Served) -> Awaitable[object]:
        """A feed was served; see `Ledger`."""
        if not served.feed.drafted.size:
            return self._answers(self._sent(b"", 0))
        return self._answers(self._sent(SERVED.pack(*remembered(served, self._clock())), SERVED.count))

    async def acted(self, events: Sequence[Event]) -> None:
        """Viewers watched and hid; see `Ledger`."""
        keys, arguments = marked(events)
        if keys:
            await self._run(MARK, keys, arguments)

    async def latest_feeds(self, events: Sequence[Event]) -> Mapping[str, str]:
        """The feeds that showed these events' items; see `Ledger`."""
        wanted: dict[int, dict[str, str | None]] = {}
        for event in events:
            wanted.setdefault(event.user_id, {})[event.item or ""] = None
        viewers = list(wanted)
        while viewers:
            answers = await self._latest({user: list(wanted[user]) for user in viewers[:VIEWERS_AT_ONCE]})
            for user, feeds in zip(viewers, answers, strict=False):
                wanted[user] = dict(zip(wanted[user], feeds, strict=True))
            viewers = viewers[len(answers) :]
        found = {event.event_id: wanted[event.user_id][event.item or ""] for event in events}
        return {event_id: feed for event_id, feed in found.items() if feed}

    async def _latest(self, wanted: Mapping[int, Sequence[str]]) -> list[list[str | None]]:
        """The feeds that last showed these items, of the first of these viewers at least."""
        now = self._clock()
        keys = [_recent(user_id, now - back * SHOWN_SECONDS) for user_id in wanted for back in (0, 1)]
        arguments: list[Argument] = [BYTES_AT_ONCE, MOST_RECENT]
        for items in wanted.values():
            arguments += [len(items), *items]
        answers = await self._run(LATEST, keys, arguments)
        return [[feed and feed.decode() for feed in feeds] for feeds in answers]

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()

    def _sent(self, packed: bytes, count: int) -> Future[Replies] | None:
        """The commands on their way; None while Redis is left alone after a failure."""
        return None if self._breaker.open else self._link.send_packed(packed, count)

    async def _answers(self, sent: Future[Replies] | None) -> Replies:
        """The replies. Whatever goes wrong with Redis is one error of the ledger."""
        if sent is None:
            raise LedgerUnavailableError(self._breaker.reason)
        try:
            return successes(await sent)
        except (redis.RedisError, OSError, TimeoutError) as error:
            raise self._failed(error) from error

    async def _run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        if self._breaker.open:
            raise LedgerUnavailableError(self._breaker.reason)
        try:
            return await self._link.run(script, keys, arguments)
        except (redis.RedisError, OSError, TimeoutError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> LedgerUnavailableError:
        self._breaker.failed(error)
        return failure(error)


def failure(error: Exception) -> LedgerUnavailableError:
    """What went wrong with Redis, as the ledger's error."""
    kind = LedgerDamagedError if "WRONGTYPE" in str(error) else LedgerUnavailableError
    return kind(in_words(error))


def marked(events: Sequence[Event]) -> tuple[list[str], list[Argument]]:
    """The keys and the arguments of `MARK`; no keys when none of the events watched or hid."""
    keys, arguments = list[str](), list[Argument]([MARK_SECONDS])
    for event in events:
        if event.event_type in MARKS and event.item:
            mark = MARKS[event.event_type]
            keys.append(f"{mark}:{event.user_id}")
            arguments += (event.item, MOST[mark])
    return keys, arguments


def remembered(served: Served, now: float) -> tuple[bytes, ...]:
    """The words of `REMEMBER`; `now` is in seconds since 1970."""
    session = b"session:" + session_name(served.user_id, served.session_id).encode()
    entry = b"%b %b" % (served.feed_id.encode(), served.packed.names)
    return session, served.packed.kept, _recent(served.user_id, now).encode(), entry


def _recent(user_id: int, moment: float) -> str:
    """The list of the day of this moment."""
    return f"recent_feeds:{user_id}:{int(moment // SHOWN_SECONDS)}"
