"""Random stories of the pipeline over a real Redis and a real MariaDB: push, repeat, flush, crash, spill, a day passes.

The test of the test is here too: a flusher that forgets before it writes, and a drain that keeps its expiry, are found.
"""

import asyncio
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.support.servers import Database, Redis
from tests.tracking.test_flush import CrashError, Faulty
from tests.tracking.worlds import event
from tracking.buffer import Record
from tracking.dead_letters import DeadLetters
from tracking.flush import Flusher
from tracking.mysql_sink import MySQLSink
from tracking.redis_buffer import RedisBuffer
from tracking.redis_client import RedisConfig
from tracking.relief import Relief
from tracking.sink import SinkUnavailableError
from tracking.spool import Spool

STORIES = settings(
    max_examples=10,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize=True,
)
HUNT = settings(STORIES, max_examples=300, phases=[Phase.generate])


class Away(MySQLSink):
    """A database that does not answer."""

    def write_activities(self, events: object) -> Any:
        raise SinkUnavailableError("no route to the database")


class Hasty(Faulty):
    """The planted fault: a buffer that forgets a batch as it hands it out."""

    def take(self, limit: int) -> Any:
        batch = self.__getattr__("take")(limit)
        if batch:
            self._real.acknowledge(batch)
        return batch


class Story(RuleBasedStateMachine):
    """What happens, in any order. `pushed` is what was acknowledged to clients."""

    config: ClassVar[RedisConfig]
    database: ClassVar[Database]
    kind: ClassVar[type[Faulty]] = Faulty

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.raw: Any = redis.Redis(host=self.config.host, port=self.config.port, db=self.config.db)
        self.raw.flushdb()
        self.sink, self.away = MySQLSink(self.database.connect), Away(self.database.connect)
        self.sink.create_tables()
        self.database.run("DELETE FROM activity_log")
        self.pushed: list[str] = []

    def buffer(self) -> RedisBuffer:
        return RedisBuffer(self.config, lease_seconds=0.0)

    def flusher(self, sink: Any, countdown: list[int], most_bytes: int = 500) -> Flusher:
        buffers: list[Any] = [self.kind(self.buffer(), countdown)]
        spill = Spool(Path(self.folder.name) / "spill", name="spill")
        letters: Any = Faulty(DeadLetters(Path(self.folder.name) / "dead.jsonl"), countdown)
        return Flusher(buffers, Faulty(sink, countdown), letters, relief=Relief(spill, most_bytes))

    def push_all(self, numbers: list[int]) -> None:
        async def pushed() -> None:
            buffer = self.buffer()
            await buffer.push([Record.of_event(event(n, user_id=n % 3)) for n in numbers])
            await buffer.close()

        asyncio.run(pushed())

    @rule(count=st.integers(1, 6))
    def push(self, count: int) -> None:
        numbers = list(range(len(self.pushed), len(self.pushed) + count))
        self.push_all(numbers)
        self.pushed += [event(n).event_id for n in numbers]

    @rule(count=st.integers(1, 6), forgotten=st.booleans())
    def push_again(self, count: int, forgotten: bool) -> None:
        if forgotten:  # an hour has passed, or Redis lost the ids it had seen
            self.raw.delete(*[b"none", *self.raw.keys("recent_event:*")])
        self.push_all(list(range(min(count, len(self.pushed)))))

    @rule(crash_at=st.integers(0, 12), away=st.booleans())
    def flush(self, crash_at: int, away: bool) -> None:
        with suppress(CrashError):
            self.flusher(self.away if away else self.sink, [crash_at]).flush()
        assert set(self.stored()) <= set(self.pushed)

    @rule()
    def a_day_passes(self) -> None:
        """Flushers sheltered in time what they could not write; whatever still has an expiry is gone."""
        self.buffer().hold()
        for key in self.raw.keys("*user_activity:*"):
            if self.raw.pttl(key) > 0:
                self.raw.delete(key)

    def stored(self) -> Counter[str]:
        return Counter(str(row[0]) for row in self.database.run("SELECT event_id FROM activity_log"))

    def teardown(self) -> None:
        try:
            self.flusher(self.sink, [0]).flush()
            last = self.flusher(self.sink, [0])
            last.flush()
            assert self.stored() == Counter(self.pushed)
            assert all(waiting and not waiting.records for waiting in last.waiting().values())
        finally:
            self.sink.close()
            self.away.close()
            self.raw.close()
            self.folder.cleanup()


@pytest.fixture
def story(redis_server: Redis, database: Database) -> type[Story]:
    """The machine on these servers."""
    Story.config = RedisConfig(host=redis_server.host, port=redis_server.port, timeout=5.0)
    Story.database = database
    return Story


def test_no_story_loses_or_doubles_an_event(story: type[Story]) -> None:
    run_state_machine_as_test(story, settings=STORIES)


def test_forgetting_before_writing_would_be_found(story: type[Story]) -> None:
    class Planted(story):
        kind = Hasty

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Planted, settings=HUNT)


def test_a_drain_that_keeps_its_expiry_would_be_found(story: type[Story], monkeypatch: pytest.MonkeyPatch) -> None:
    from tracking import redis_buffer

    monkeypatch.setattr(redis_buffer, "HOLD", redis_buffer.HOLD.replace("redis.call('PERSIST', drained)", ""))
    with pytest.raises(AssertionError):
        run_state_machine_as_test(story, settings=HUNT)
