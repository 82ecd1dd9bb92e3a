"""The composition root: the only place that puts the parts together. Heavy parts are imported where they are needed.

Serve workers use `serving` alone, which imports neither pandas nor a database or SSH library.
"""

import asyncio
import logging
import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api import heap, logs
from api.settings import ServiceSettings, SettingsError, load
from data.snapshot import SnapshotError, SnapshotStore

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from api.feeds import Feeds
    from api.intake import Intake
    from api.operations import Operations
    from api.runtime import Runtime
    from data.sources.base import Source
    from data.sources.kept import KeptRows
    from data.sources.mysql_connection import MySQLConfig
    from data.tunnel import Tunnel
    from data.tunnel_probe import Probe
    from engine.world import World
    from tracking.redis_client import RedisConfig
    from tracking.tracker import Tracker


@dataclass(frozen=True, slots=True)
class Service:
    """What the routes of one worker call."""

    runtime: "Runtime"
    feeds: "Feeds"
    intake: "Intake"
    operations: "Operations"
    admin_token: str


@asynccontextmanager
async def serving(settings: ServiceSettings) -> AsyncIterator[Service]:
    """The service of one worker, started; it stops at the end."""
    from api.feeds import Feeds
    from api.intake import Intake
    from api.operations import Operations
    from api.runtime import Runtime
    from api.warmup import warm_up
    from tracking.policies import PolicyStore

    heap.set_large_apart()
    # A thread that makes a new engine gives way to requests ten times sooner than Python's 5 ms.
    sys.setswitchinterval(0.0005)
    runtime = Runtime(settings, snapshots(settings), PolicyStore(settings.data_dir / "policies"))
    tracking = tracker(settings)
    operations = Operations(runtime)
    warming = asyncio.create_task(warm_up(runtime, tracking), name="warm-up")
    await runtime.start()
    try:
        yield Service(runtime, Feeds(runtime, tracking), Intake(tracking), operations, admin_token(settings))
    finally:
        warming.cancel()
        await runtime.stop()
        await tracking.close()


def tracker(settings: ServiceSettings) -> "Tracker":
    """What a worker keeps activity with: Redis when there is one, and this machine's disk."""
    from tracking.spool import Spool
    from tracking.tracker import Tracker

    spool = Spool(settings.data_dir / "spool", cap_bytes=settings.spool_bytes)
    redis = redis_config(settings)
    if redis is None:
        from tracking.local_ledger import LocalLedger

        ledger = LocalLedger(settings.data_dir / "sessions.sqlite", timeout=settings.ledger_timeout_seconds)
        return Tracker(buffer=spool, spool=spool, ledger=ledger)
    from tracking.redis_buffer import RedisBuffer
    from tracking.redis_client import Breaker
    from tracking.redis_ledger import RedisLedger
    from tracking.redis_link import RedisLink
    from tracking.redis_recorder import RedisRecorder

    breaker, link = Breaker(), RedisLink(redis)  # of all, so that a frozen Redis costs a request one wait
    return Tracker(
        buffer=RedisBuffer(redis, ttl_seconds=settings.activity_ttl, breaker=breaker, link=link),
        spool=spool,
        ledger=RedisLedger(redis, breaker=breaker, link=link),
        recorder=RedisRecorder(link, breaker, ttl_seconds=settings.activity_ttl),
    )


def half_lives(settings: ServiceSettings) -> dict[str, float]:
    """How fast each pool's bandit forgets, in days; 0: never."""
    return {pool: getattr(settings, f"{pool.lower()}_half_life_days") for pool in ("VMP", "AU", "NU")}


def snapshots(settings: ServiceSettings) -> SnapshotStore:
    """The snapshots of this DATA_DIR."""
    return SnapshotStore(settings.data_dir / "snapshots")


def open_world(store: SnapshotStore) -> "World":
    """The current snapshot as the engine sees it. Raises SnapshotError, also for one of another version."""
    from engine.world import World

    found = store.open_current()
    try:
        return World.of(found)
    except KeyError as error:
        raise SnapshotError(f"{found.id} was made by another version: it has no array {error}") from None


def redis_config(settings: ServiceSettings) -> "RedisConfig | None":
    """How Redis is reached; None without Redis. Behind a tunnel it is a port of this machine."""
    if settings.embedded or not settings.redis_host:
        return None
    if settings.ssh_host:
        return redis_at(settings, "127.0.0.1", settings.tunnel_redis_port)
    return redis_at(settings, settings.redis_host, settings.redis_port)


@contextmanager
def redis_reached(settings: ServiceSettings) -> "Iterator[RedisConfig | None]":
    """How a command reaches Redis: through a tunnel of its own where there is one."""
    config = redis_config(settings)
    if config is None or not settings.ssh_host:
        yield config
        return
    opened = tunnel(settings, "redis").start()
    try:
        opened.wait_up(10.0)
        yield redis_at(settings, *opened.local_address)
    finally:
        opened.close()


def redis_at(settings: ServiceSettings, host: str, port: int) -> "RedisConfig":
    """Redis at this address; with TLS its certificate is that of REDIS_HOST, tunnel or none."""
    from tracking.redis_client import RedisConfig

    return RedisConfig(
        host=host,
        port=port,
        password=secret(settings, "redis_password"),
        scheme=settings.redis_scheme,
        server_hostname=settings.redis_host,
        ca_path=settings.redis_ca_path,
        db=settings.redis_db,
        timeout=settings.redis_timeout_seconds,
    )


def secret(settings: ServiceSettings, name: str) -> str | None:
    """A secret in clear."""
    value = getattr(settings, name)
    return value.get_secret_value() if value else None


def admin_token(settings: ServiceSettings) -> str:
    """ADMIN_TOKEN, or the one in DATA_DIR/admin-token, made (mode 0600) when it is not there yet."""
    path = settings.data_dir / "admin-token"
    given = secret(settings, "admin_token") or (path.read_text("utf-8").strip() if path.exists() else "")
    if given:
        return given
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".admin-token.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, secrets.token_urlsafe(32).encode() + b"\n")
    os.close(descriptor)
    try:
        os.link(fresh, path)
        logger.info("ADMIN_TOKEN is not set; one was made and is in %s", path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_text(encoding="utf-8").strip()


def begin() -> ServiceSettings:
    """The settings of a process that begins, its log set up. Wrong ones end it: a line on stderr, exit code 2."""
    try:
        settings = load()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    log(settings)
    return settings


def log(settings: ServiceSettings, output: bool = True) -> None:
    """Set up this process's log."""
    names = ("admin_token", "mysql_password", "redis_password")
    known = [value for name in names if (value := secret(settings, name))]
    logs.setup(
        folder=settings.log_dir,
        level=settings.log_level,
        json=settings.log_format == "json",
        secrets=known,
        output=output,
    )


@contextmanager
def source(settings: ServiceSettings) -> "Iterator[Source]":
    """Where the tables come from; through a tunnel of its own when SSH_HOST is set, so that errors name what failed."""
    if settings.embedded:
        from data.sources.embedded import EmbeddedSource

        path = settings.data_dir / "catalogue.sqlite"
        yield EmbeddedSource(path, seed=settings.demo_seed, clock=_now, names=names(settings))
        return
    from data.sources.mysql import MySQLSource

    opened = tunnel(settings, "mysql").start() if settings.ssh_host else None
    try:
        yield MySQLSource(mysql_config(settings), names=names(settings), tunnel=opened, kept=kept_rows(settings))
    finally:
        if opened:
            opened.close()


def kept_rows(settings: ServiceSettings) -> "KeptRows | None":
    """What reloads add new rows to; None when INCREMENTAL is off."""
    from data.sources.kept import KeptRows

    return None if settings.incremental == "off" else KeptRows(settings.data_dir / "kept", settings.incremental)


def mysql_config(settings: ServiceSettings) -> "MySQLConfig":
    """How MySQL is reached, as seen from the SSH host when there is one."""
    from data.sources.mysql_connection import MySQLConfig

    return MySQLConfig(
        host=settings.mysql_host or "",
        port=settings.mysql_port,
        user=settings.mysql_user or "",
        password=secret(settings, "mysql_password") or "",
        db=settings.mysql_db or "",
        read_seconds=settings.mysql_timeout_seconds,
        deadline_seconds=settings.load_deadline_seconds,
    )


def tunnel(settings: ServiceSettings, name: str, probe: "Probe | None" = None) -> "Tunnel":
    """The tunnel to MySQL or to Redis, not started. Needs SSH_HOST."""
    from data.tunnel import Tunnel, TunnelConfig

    mysql = name == "mysql"
    return Tunnel(
        TunnelConfig(
            name=name,
            ssh_host=settings.ssh_host or "",
            ssh_port=settings.ssh_port,
            ssh_user=settings.ssh_user or "",
            key_path=settings.ssh_key_path or Path(),
            known_hosts=settings.ssh_known_hosts or Path(),
            remote_host=(settings.mysql_host if mysql else settings.redis_host) or "",
            remote_port=settings.mysql_port if mysql else settings.redis_port,
            local_port=0 if mysql else settings.tunnel_redis_port,
        ),
        probe,
    )


def tunnels(settings: ServiceSettings) -> "dict[str, Tunnel]":
    """The work process's tunnels, started. None without SSH_HOST."""
    if settings.embedded or not settings.ssh_host:
        return {}
    from api.probes import probe

    wanted = ["mysql", *(["redis"] if settings.redis_host else [])]
    return {name: tunnel(settings, name, probe(settings, name)).start() for name in wanted}


def names(settings: ServiceSettings) -> Any:
    """TABLE_MAPPING, parsed. Raises SettingsError."""
    from api.settings_rules import Problem
    from data.tables import TableNames

    try:
        return TableNames.parse(settings.table_mapping)
    except ValueError as error:
        raise SettingsError([Problem("TABLE_MAPPING", str(error))]) from None


def _now() -> datetime:
    return datetime.now(UTC)
