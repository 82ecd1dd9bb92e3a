"""What a served feed, and what viewers' acts leave behind in one exchange with the Redis that is buffer and ledger."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import redis

from tracking.buffer import BufferUnavailableError
from tracking.events import Event, feed_request_json
from tracking.ledger import LedgerUnavailableError
from tracking.recorder import ALL_KEPT, Kept, Taken
from tracking.redis_buffer import ACTIVITIES, DECISIONS, RECENT_SECONDS, SUMS, WAITING
from tracking.redis_client import Breaker, in_words
from tracking.redis_commands import Argument, Script, Template
from tracking.redis_ledger import MARK, REMEMBER, failure, marked, remembered
from tracking.redis_link import RedisLink
from tracking.redis_scripts import PUSH
from tracking.served import Served

Failure = TypeVar("Failure", BufferUnavailableError, LedgerUnavailableError)

# KEYS: those of PUSH, then those of MARK. ARGV: how many keys and arguments PUSH has, its arguments, those of MARK.
# Returns what PUSH returns, and why MARK failed, if it did. When PUSH fails the script ends there. One script, because
# two in a row would wait for Redis' disk twice.
TAKE = Script(f"""
local function push(KEYS, ARGV)
{PUSH}
end
local function mark(KEYS, ARGV)
{MARK.source}
end
local function part(words, first, last)
  local found = {{}}
  for i = first, last do found[#found + 1] = words[i] end
  return found
end
local keys, words = tonumber(ARGV[1]), tonumber(ARGV[2])
local duplicates = push(part(KEYS, 1, keys), part(ARGV, 3, words + 2))
local marked, problem = pcall(mark, part(KEYS, keys + 1, #KEYS), part(ARGV, words + 3, #ARGV))
if marked then return {{duplicates}} end
return {{duplicates, type(problem) == 'table' and problem.err or tostring(problem)}}
""")


class RedisRecorder:
    """See `tracking.recorder.Recorder`: keeps what `RedisBuffer.push`, `RedisLedger.served` and `.acted` would.

    `ttl_seconds` is the buffer's; `breaker` and `link` are shared with both. Records are pushed by plain commands in a
    transaction, not by the buffer's script: a feed's id is new, so there are no duplicates to look for, and Redis needs
    a third less time.
    """

    def __init__(self, link: RedisLink, breaker: Breaker, *, ttl_seconds: float) -> None:
        self._link, self._breaker, self._ttl = link, breaker, int(ttl_seconds * 1000)
        push = (
            "MULTI",
            "RPUSH $decisions $decision",
            "RPUSH $activities $activity",
            f"PEXPIRE $activities {self._ttl}",
            f"ZADD {WAITING} NX $now $decisions $now $activities",
            f"HINCRBY {SUMS} activities 1",
            f"HINCRBY {SUMS} decisions 1",
            f"HINCRBY {SUMS} bytes $bytes",
            "EXEC",
        )
        self._pushed = len(push)
        self._record, self._record_and_remember = Template(*push), Template(*push, *REMEMBER)

    async def keep(self, served: Served) -> Kept:
        """See `Recorder`."""
        commands, count = self._commands(served)
        if self._breaker.open:
            return self._nothing(self._breaker.reason)
        try:
            replies = await self._link.send_packed(commands, count)
        except (redis.RedisError, OSError, TimeoutError) as error:
            self._breaker.failed(error)
            return self._nothing(in_words(error))
        done = replies[self._pushed - 1]
        if not (_refused(replies) or _refused(done)):
            return ALL_KEPT
        return Kept(
            self._refusal(_unrecorded, [*replies[: self._pushed], *(done if isinstance(done, list) else ())]),
            self._refusal(failure, replies[self._pushed :]),
        )

    async def take(self, events: Sequence[Event]) -> Taken:
        """See `Recorder`."""
        if self._breaker.open:
            raise BufferUnavailableError(self._breaker.reason)
        keys = [WAITING, SUMS, *(f"{ACTIVITIES}{event.user_id}" for event in events)]
        words: list[Argument] = [self._ttl, RECENT_SECONDS * 1000]
        for event in events:
            words += (event.event_id, event.to_json())
        marks, arguments = marked(events)
        try:
            duplicates, *refused = await self._link.run(
                TAKE, [*keys, *marks], [len(keys), len(words), *words, *arguments]
            )
        except (redis.RedisError, OSError, TimeoutError) as error:
            self._breaker.failed(error)
            raise BufferUnavailableError(in_words(error)) from error
        known = frozenset(events[place].event_id for place in duplicates)
        return Taken(known, self._refusal(failure, [redis.ResponseError(why.decode()) for why in refused]))

    def _refusal(self, told: Callable[[Exception], Failure], replies: Iterable[Any]) -> Failure | None:
        """The first refusal among the replies, as an error of this kind."""
        refusal = next((reply for reply in replies if isinstance(reply, redis.ResponseError)), None)
        if refusal is None:
            return None
        self._breaker.failed(refusal)
        return told(refusal)

    def _commands(self, served: Served) -> tuple[bytes, int]:
        """The commands, and how many they are."""
        user_id, now = served.user_id, self._link.now()
        decision, activity = served.packed.record, feed_request_json(served)
        lists = b"%b%d" % (_DECISIONS, user_id), b"%b%d" % (_ACTIVITIES, user_id)
        record = lists[0], decision, lists[1], activity, b"%.6f" % now, b"%d" % (len(decision) + len(activity))
        if not served.feed.drafted.size:
            return self._record.pack(*record), self._record.count
        template = self._record_and_remember
        words = remembered(served, now)
        return template.pack(*record, *words), template.count

    def _nothing(self, why: str) -> Kept:
        return Kept(BufferUnavailableError(why), LedgerUnavailableError(why))


_DECISIONS, _ACTIVITIES = DECISIONS.encode(), ACTIVITIES.encode()


def _unrecorded(error: Exception) -> BufferUnavailableError:
    return BufferUnavailableError(in_words(error))


def _refused(replies: Any) -> bool:
    return not isinstance(replies, list) or redis.ResponseError in map(type, replies)
