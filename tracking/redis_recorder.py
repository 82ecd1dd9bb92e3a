"""What a served feed leaves behind in one exchange with the Redis that is buffer and ledger."""

from collections.abc import Iterable
from typing import Any, TypeVar

import redis

from tracking.buffer import BufferUnavailableError
from tracking.events import feed_request_json
from tracking.ledger import LedgerUnavailableError
from tracking.recorder import ALL_KEPT, Kept
from tracking.redis_buffer import ACTIVITIES, DECISIONS, SUMS, WAITING
from tracking.redis_client import Breaker, in_words
from tracking.redis_commands import Template
from tracking.redis_ledger import REMEMBER, remembered
from tracking.redis_link import RedisLink
from tracking.served import Served

Failure = TypeVar("Failure", BufferUnavailableError, LedgerUnavailableError)


class RedisRecorder:
    """See `tracking.recorder.Recorder`: keeps what `RedisBuffer.push` and `RedisLedger.served` would.

    `ttl_seconds` is the buffer's; `breaker` and `link` are shared with both. Records are pushed by plain commands in a
    transaction, not by the buffer's script: a feed's id is new, so there are no duplicates to look for, and Redis needs
    a third less time.
    """

    def __init__(self, link: RedisLink, breaker: Breaker, *, ttl_seconds: float) -> None:
        self._link, self._breaker = link, breaker
        push = (
            "MULTI",
            "RPUSH $decisions $decision",
            "RPUSH $activities $activity",
            f"PEXPIRE $activities {int(ttl_seconds * 1000)}",
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
            self._failure(
                BufferUnavailableError, [*replies[: self._pushed], *(done if isinstance(done, list) else ())]
            ),
            self._failure(LedgerUnavailableError, replies[self._pushed :]),
        )

    def _failure(self, kind: type[Failure], replies: Iterable[Any]) -> Failure | None:
        """The first refusal among the replies, as an error of this kind."""
        refusal = next((reply for reply in replies if isinstance(reply, redis.ResponseError)), None)
        if refusal is None:
            return None
        self._breaker.failed(refusal)
        return kind(in_words(refusal))

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


def _refused(replies: Any) -> bool:
    return not isinstance(replies, list) or redis.ResponseError in map(type, replies)
