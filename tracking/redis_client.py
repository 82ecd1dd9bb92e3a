"""How Redis is reached: without retries, patient for the flusher (`redis_link` is for requests)."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tracking.redis_tls import Tls, connection_class

PATIENT_SECONDS = 5.0
REFUSALS = ("WRONGTYPE", "OOM")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisConfig:
    """Where Redis is. `timeout` bounds one exchange on the request path, in seconds.

    With the scheme `tls` the certificate must be for `server_hostname` (None: for `host`) and come from an authority
    of the file `ca_path` (None: of the system).
    """

    host: str
    port: int = 6379
    password: str | None = None
    scheme: str = "tcp"
    server_hostname: str | None = None
    ca_path: Path | None = None
    db: int = 1
    timeout: float = 0.05

    @property
    def tls(self) -> Tls | None:
        """What the certificate is held against; None without TLS."""
        if self.scheme != "tls":
            return None
        return Tls(server_hostname=self.server_hostname or self.host, ca_path=self.ca_path)


def patient_client(config: RedisConfig) -> redis.Redis:
    """A client for the flusher, which may wait. redis-py's own defaults would retry ten times."""
    options: dict[str, Any] = {
        "host": config.host,
        "port": config.port,
        "password": config.password or None,
        "db": config.db,
        "socket_timeout": PATIENT_SECONDS,
        "socket_connect_timeout": PATIENT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    if config.tls is None:
        return redis.Redis(**options)
    return redis.Redis.from_pool(redis.ConnectionPool(connection_class=connection_class(config.tls), **options))


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
