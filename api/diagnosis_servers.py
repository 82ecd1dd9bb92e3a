"""What `talentfeed doctor` looks at on other machines: the SSH host, MySQL and Redis. Nothing is ever changed there."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from api import preflight, services
from api.settings import ServiceSettings

if TYPE_CHECKING:
    from tracking.redis_client import RedisConfig

TUNNEL_SECONDS, PATIENCE_SECONDS = 10.0, 20.0
CLOCK_SECONDS = 2.0
ISOLATION = "REPEATABLE-READ"

Result = tuple[str, str]


def host_key(settings: ServiceSettings) -> Result:
    """Is the SSH host's key known?"""
    problems = preflight.host_key_problems(settings)
    text = "; ".join(f"{problem.setting}: {problem.reason}" for problem in problems)
    return ("fail", text) if problems else ("ok", f"{settings.ssh_known_hosts} holds a key of {settings.ssh_host}")


def tunnel(settings: ServiceSettings) -> Result:
    """Does the SSH host let this user forward a port?"""
    begin = time.monotonic()
    with closing(services.tunnel(settings, "mysql").start()) as opened:
        opened.wait_up(TUNNEL_SECONDS)
        seconds = time.monotonic() - begin
    return "ok", f"{settings.ssh_user}@{settings.ssh_host}:{settings.ssh_port} lets a tunnel through in {seconds:.1f} s"


def isolation(settings: ServiceSettings) -> Result:
    """Can a load see one point in time? That takes REPEATABLE READ, and tables that have versions of their rows."""
    with _asking(settings) as ask:
        version = ask("SELECT VERSION()")[0][0]
        default = _isolation(ask)
        ask("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        used = _isolation(ask)
        ask("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        names = services.names(settings)
        wanted = [names.table(table) for table in _tables()]
        engines = ask(
            "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
            f" AND TABLE_NAME IN ({', '.join(['%s'] * len(wanted))}) AND ENGINE <> 'InnoDB'",
            wanted,
        )
    if used != ISOLATION:
        return "fail", f"MySQL {version} stays at {used}: a load would mix points in time"
    if engines:
        odd = ", ".join(f"{name} ({engine})" for name, engine in engines)
        return "warn", f"not InnoDB, so a load sees them later than the rest: {odd}"
    return "ok", f"{version}: loads run at {used} (the server's own default is {default})"


def grants(settings: ServiceSettings) -> Result:
    """May the user read the five tables and write the two logs? Asked with statements that touch no row."""
    names = services.names(settings)
    refused = []
    with _asking(settings) as ask:
        for table in _tables():
            refused += _refused(ask, f"SELECT on {names.table(table)}", f"SELECT 1 FROM `{names.table(table)}` LIMIT 0")
        for table, key in (("activity_log", "event_id"), ("feed_log", "feed_id")):
            select = f"SELECT * FROM `{table}` WHERE FALSE"
            refused += _refused(ask, f"SELECT on {table}", select)
            refused += _refused(ask, f"INSERT on {table}", f"INSERT INTO `{table}` {select}")
            refused += _refused(ask, f"UPDATE on {table}", f"UPDATE `{table}` SET `{key}` = `{key}` WHERE FALSE")
        held = [str(row[0]) for row in ask("SHOW GRANTS")]
    if refused:
        return "fail", f"MYSQL_USER: {settings.mysql_user} lacks " + "; ".join(refused)
    if any(grant.startswith("GRANT ALL PRIVILEGES ON *.*") for grant in held):
        return (
            "warn",
            f"MYSQL_USER: {settings.mysql_user} may do everything on the server; docs/operations.md lists enough",
        )
    return "ok", f"{settings.mysql_user} may read the five tables and write activity_log and feed_log"


def clock(settings: ServiceSettings) -> Result:
    """Do MySQL's clock and this machine's agree? Freshness and flushes are told by both."""
    with _asking(settings) as ask:
        before = datetime.now(UTC)
        (theirs,) = ask("SELECT UTC_TIMESTAMP(6)")[0]
        after = datetime.now(UTC)
    skew = (theirs.replace(tzinfo=UTC) - (before + (after - before) / 2)).total_seconds()
    if abs(skew) > CLOCK_SECONDS:
        return (
            "warn",
            f"MySQL's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's: run NTP",
        )
    return "ok", f"MySQL's clock and this machine's agree within {max(abs(skew), 0.1):.1f} s"


def redis(settings: ServiceSettings) -> Result:
    """Is Redis there, fast enough for a request, does it take writes, keep what it acknowledged, throw nothing away?"""
    from tracking.redis_buffer import risks
    from tracking.redis_client import patient_client

    config = services.redis_config(settings)
    if config is None:
        return "ok", "not used"
    opened = services.tunnel(settings, "redis").start() if settings.ssh_host else None
    try:
        if opened:
            opened.wait_up(TUNNEL_SECONDS)
            config = services.redis_at(settings, *opened.local_address)
        with closing(patient_client(config)) as client:
            client.ping()
            begin = time.perf_counter()
            client.ping()
            seconds = time.perf_counter() - begin
            found: Any = client.info()
        first = asyncio.run(_first_answer(config))
    finally:
        if opened:
            opened.close()
    odd = risks(found) + _too_slow(seconds, first, settings.redis_timeout_seconds)
    kept = f"answers in {seconds * 1000:.1f} ms, takes writes, keeps an append-only file, evicts nothing"
    return ("warn", "; ".join(odd)) if odd else ("ok", kept)


async def _first_answer(config: "RedisConfig") -> float:
    """How long a worker's first exchange takes, which opens the connection: some round trips, and one more with TLS."""
    from tracking.redis_link import RedisLink

    link = RedisLink(replace(config, timeout=PATIENCE_SECONDS))
    begin = time.perf_counter()
    try:
        await link.ask([("PING",)])
        return time.perf_counter() - begin
    finally:
        await link.close()


def _too_slow(seconds: float, first: float, timeout: float) -> list[str]:
    odd = []
    if seconds > timeout / 2:
        odd.append(f"REDIS_TIMEOUT_SECONDS is {timeout:g} and an answer takes {seconds:.3f} s: feeds will be degraded")
    if first > timeout:
        odd.append(
            f"REDIS_TIMEOUT_SECONDS is {timeout:g} and a first answer takes {first:.3f} s: feeds are degraded while"
            " a worker connects"
        )
    return odd


@contextmanager
def _asking(settings: ServiceSettings) -> Iterator[Any]:
    """A function that runs a statement and returns its rows; through a tunnel where there is one."""
    from data.sources.mysql_connection import connected

    config = services.mysql_config(settings)
    opened = services.tunnel(settings, "mysql").start() if settings.ssh_host else None
    try:
        if opened:
            opened.wait_up(TUNNEL_SECONDS)
            host, port = opened.local_address
            config = replace(config, host=host, port=port, label=f"{config.address} (through SSH)")
        with connected(config, time.monotonic() + PATIENCE_SECONDS) as connection:

            def ask(statement: str, values: Any = None) -> list[tuple[Any, ...]]:
                with connection.cursor() as cursor:
                    cursor.execute(statement, values)
                    return list(cursor.fetchall())

            yield ask
            connection.rollback()
    finally:
        if opened:
            opened.close()


def _isolation(ask: Any) -> str:
    """The session's level; MySQL 8 and MariaDB before 11 call the variable differently."""
    rows = ask("SHOW VARIABLES WHERE Variable_name IN ('transaction_isolation', 'tx_isolation')")
    return str(rows[0][1]).upper() if rows else "unknown"


def _refused(ask: Any, right: str, statement: str) -> list[str]:
    import pymysql

    try:
        ask(statement)
    except pymysql.err.OperationalError as error:
        return [f"{right} ({error.args[-1]})"]
    except pymysql.err.ProgrammingError as error:
        return [f"{right} ({error.args[-1]})" + ("; run `talentfeed db init`" if "_log" in right else "")]
    return []


def _tables() -> list[str]:
    from data.tables import TABLES

    return [spec.name for spec in TABLES]
