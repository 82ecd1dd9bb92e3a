"""How Redis is reached: without retries, patient for the flusher (`redis_link` is for requests)."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PATIENT_SECONDS = 5.0
REFUSALS = ("WRONGTYPE", "OOM")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisConfig:
    """Where Redis is. `timeout` bounds one exchange on the request path, in seconds."""

    host: str
    port: int = 6379
    password: str | None = None
    scheme: str = "tcp"
    db: int = 1
    timeout: float = 0.05

    def options(self, timeout: float) -> dict[str, Any]:
        """Arguments of a client. redis-py's own defaults would retry ten times with five seconds each."""
        return {
            "host": self.host,
            "port": self.port,
            "password": self.password or None,
            "db": self.db,
            "ssl": self.scheme == "tls",
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
        }


def patient_client(config: RedisConfig) -> redis.Redis:
    """A client for the flusher, which may wait."""
    return redis.Redis(**config.options(PATIENT_SECONDS), retry=Retry(NoBackoff(), 0))


def in_words(error: Exception) -> str:
    """What went wrong with Redis, for people."""
    return f"redis: {type(error).__name__}: {error}"


class Breaker:
    """After a failure nothing is tried for `pause` seconds, so that a frozen Redis costs one request, not all."""

    def __init__(self, pause: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause, self._clock, self._closed_until = pause, clock, 0.0
        self.reason = ""
        """Why nothing is tried, in words."""

    @property
    def open(self) -> bool:
        """True while nothing should be tried."""
        return self._closed_until > 0.0 and self._clock() < self._closed_until

    def failed(self, error: Exception) -> None:
        """Remember a failure now, unless Redis did answer and refused this value alone: one viewer's damaged key or a
        full memory is no reason to leave it alone.
        """
        if not (isinstance(error, redis.ResponseError) and any(word in str(error) for word in REFUSALS)):
            self._closed_until = self._clock() + self._pause
            self.reason = f"redis: paused after {type(error).__name__}: {error}"
