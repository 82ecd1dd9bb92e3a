"""The parts of the activity pipeline as this service's settings put them together: buffers, flusher, logs."""

from pathlib import Path
from typing import TYPE_CHECKING

from api.settings import ServiceSettings
from tracking.buffer import Buffer
from tracking.dead_letters import DeadLetters
from tracking.flush import Flusher
from tracking.relief import Relief
from tracking.sink import Sink
from tracking.spool import Spool

if TYPE_CHECKING:  # a tunnel's library takes long to load, and few commands need one
    from data.tunnel import Tunnel
    from tracking.redis_client import RedisConfig


def flusher(settings: ServiceSettings, sink: Sink, redis: "RedisConfig | None") -> Flusher:
    """A flusher of its own, for one thread; any number of them may run."""
    spill = Spool(settings.data_dir / "spill", cap_bytes=settings.spill_bytes, name="spill")
    return Flusher(
        buffers(settings, redis),
        sink,
        dead_letters(settings),
        count=settings.flush_count,
        seconds=settings.flush_seconds,
        rows_per_second=float(settings.flush_rows_per_second),
        relief=Relief(spill, settings.redis_backlog_bytes) if redis else None,
    )


def buffers(settings: ServiceSettings, redis: "RedisConfig | None") -> list[Buffer]:
    """What a flusher drains: Redis when there is one, and this machine's spool."""
    found: list[Buffer] = [Spool(settings.data_dir / "spool", cap_bytes=settings.spool_bytes)]
    if redis:
        from tracking.redis_buffer import RedisBuffer

        found.insert(0, RedisBuffer(redis, ttl_seconds=settings.activity_ttl))
    return found


def dead_letters(settings: ServiceSettings) -> DeadLetters:
    """The rows that the database refused."""
    return DeadLetters(settings.data_dir / "dead_letters.jsonl")


def sink(settings: ServiceSettings, tunnel: "Tunnel | None") -> Sink:
    """The logs: tables of the embedded database, or of MySQL."""
    if settings.embedded:
        from tracking.sqlite_sink import SqliteSink

        return SqliteSink(Path(settings.data_dir / "activity.sqlite"))
    from api.database import connector
    from tracking.mysql_sink import MySQLSink

    return MySQLSink(connector(settings, tunnel))
