"""What `talentfeed doctor` looks at. A check never raises: whatever goes wrong is its finding."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from api import preflight, services
from api.heartbeats import Heartbeats
from api.settings import ServiceSettings, warnings

LITTLE_DISK = 500 * 1024 * 1024
CLOCK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: `ok`, `warn` (it works, but look at it) or `fail`."""

    check: str
    level: str
    detail: str


Check = Callable[[ServiceSettings], tuple[str, str]]


def diagnose(settings: ServiceSettings) -> list[Finding]:
    """All checks that this environment calls for."""
    checks: dict[str, Check] = {"settings": _settings, "folders": _folders, "disk": _disk, "secrets": _modes}
    if settings.ssh_host and not settings.embedded:
        checks |= {"SSH host key": _host_key, "SSH tunnel": _tunnel}
    checks |= {"tables": _tables, "log tables": _log_tables}
    if settings.redis_host and not settings.embedded:
        checks["Redis"] = _redis
    checks |= {"snapshot": _snapshot, "processes": _processes}
    return [_run(name, check, settings) for name, check in checks.items()]


def _run(name: str, check: Check, settings: ServiceSettings) -> Finding:
    try:
        level, detail = check(settings)
    except Exception as error:
        level, detail = "fail", f"{error}" or type(error).__name__
    return Finding(name, level, " ".join(detail.split()))


def _settings(settings: ServiceSettings) -> tuple[str, str]:
    odd = warnings(settings) + [f"{p.setting}: {p.reason}" for p in preflight.mapping_problems(settings)]
    return ("warn", "; ".join(odd)) if odd else ("ok", f"ENVIRONMENT is {settings.environment}")


def _folders(settings: ServiceSettings) -> tuple[str, str]:
    problems = preflight.folder_problems(settings)
    text = "; ".join(f"{problem.setting}: {problem.reason}" for problem in problems)
    return ("fail", text) if problems else ("ok", f"{settings.data_dir} and {settings.log_dir} take files")


def _disk(settings: ServiceSettings) -> tuple[str, str]:
    free = shutil.disk_usage(settings.data_dir).free
    return "ok" if free > LITTLE_DISK else "warn", f"{free / 1e9:.1f} GB free for DATA_DIR"


def _modes(settings: ServiceSettings) -> tuple[str, str]:
    open_files = preflight.modes(settings)
    if open_files:
        return "warn", "; ".join(f"{path} has mode {mode:o}: chmod 600 it" for path, mode in open_files)
    return "ok", "files with secrets are readable by their owner alone"


def _host_key(settings: ServiceSettings) -> tuple[str, str]:
    problems = preflight.host_key_problems(settings)
    text = "; ".join(f"{problem.setting}: {problem.reason}" for problem in problems)
    return ("fail", text) if problems else ("ok", f"{settings.ssh_known_hosts} holds a key of {settings.ssh_host}")


def _tunnel(settings: ServiceSettings) -> tuple[str, str]:
    opened = services.tunnel(settings, "mysql").start()
    try:
        opened.wait_up(10.0)
    finally:
        opened.close()
    return "ok", f"{settings.ssh_user}@{settings.ssh_host}:{settings.ssh_port} lets a tunnel through"


def _tables(settings: ServiceSettings) -> tuple[str, str]:
    """The whole load, cleaned: what a reload would do, without publishing it."""
    from data.checks import clean

    with services.source(settings) as source:
        tables = clean(source.load())
    skew = abs((datetime.now(UTC) - tables.as_of).total_seconds())
    left_out = sum(number for reasons in tables.quarantine.values() for number in reasons.values())
    text = f"{tables.source}: {len(tables.videos)} videos, {len(tables.users)} users, {left_out} rows quarantined"
    if not settings.embedded and skew > settings.load_deadline_seconds + CLOCK_SECONDS:
        return "warn", f"{text}; its clock is {skew:.0f} s away from this machine's"
    return "ok", text


def _log_tables(settings: ServiceSettings) -> tuple[str, str]:
    from api.commands.database import opened

    with opened(settings) as sink:
        sink.activities_after(0, 1)
        sink.feeds_after(0, 1)
    return "ok", "activity_log and feed_log are there"


def _redis(settings: ServiceSettings) -> tuple[str, str]:
    """Is it there, does it keep what it acknowledged, may it throw keys away?"""
    from tracking.redis_client import patient_client

    opened = services.tunnel(settings, "redis").start() if settings.ssh_host else None
    try:
        config = services.redis_config(settings)
        if opened:
            opened.wait_up(10.0)
            config = services.redis_at(settings, *opened.local_address)
        if config is None:
            return "ok", "not used"
        client = patient_client(config)
        found: dict[str, Any] = {}
        for section in ("persistence", "memory"):
            answer: Any = client.info(section)
            found |= answer
        client.close()
    finally:
        if opened:
            opened.close()
    odd = [] if found.get("aof_enabled") else ["appendonly is off: a crash of Redis loses events"]
    if found.get("maxmemory_policy") != "noeviction":
        odd.append(f"maxmemory-policy is {found.get('maxmemory_policy')}: it may throw events away")
    return ("warn", "; ".join(odd)) if odd else ("ok", "answers, keeps an append-only file, evicts nothing")


def _snapshot(settings: ServiceSettings) -> tuple[str, str]:
    store = services.snapshots(settings)
    if store.current_id() is None:
        return "warn", "there is none yet: `talentfeed serve` or `talentfeed reload` builds the first"
    found = store.open_current()
    text = f"{found.id} is whole"
    return ("ok", text) if found.id == store.current_id() else ("fail", f"{store.current_id()} is damaged; {text}")


def _processes(settings: ServiceSettings) -> tuple[str, str]:
    heartbeats = Heartbeats(settings.data_dir / "workers")
    workers, work = len(heartbeats.alive("serve")), len(heartbeats.alive("work"))
    return "ok", f"{workers} workers and {work} work process run" if workers or work else "nothing runs"
