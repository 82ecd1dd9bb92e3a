"""What `talentfeed doctor` looks at. A check never raises: whatever goes wrong is its finding."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from api import diagnosis_servers as servers
from api import preflight, services
from api.heartbeats import Heartbeats
from api.settings import ServiceSettings, warnings

LITTLE_DISK = 500 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: `ok`, `warn` (it works, but look at it) or `fail`."""

    check: str
    level: str
    detail: str


Check = Callable[[ServiceSettings], tuple[str, str]]


def diagnose(settings: ServiceSettings) -> list[Finding]:
    """All checks that this environment calls for."""
    checks: dict[str, Check] = {"settings": _settings, "folders": _folders, "disk": _disk, "file modes": _modes}
    if settings.ssh_host and not settings.embedded:
        checks |= {"SSH host key": servers.host_key, "SSH tunnel": servers.tunnel}
    if not settings.embedded:
        checks |= {"isolation": servers.isolation, "grants": servers.grants, "clock": servers.clock}
    checks |= {"tables": _tables, "log tables": _log_tables}
    if settings.redis_host and not settings.embedded:
        checks["Redis"] = servers.redis
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
    """A build writes a whole snapshot before the oldest one goes."""
    free = shutil.disk_usage(settings.data_dir).free
    largest = max((info.bytes for info in services.snapshots(settings).list()), default=0)
    if free < 2 * largest:
        return "fail", f"DATA_DIR: {free / 1e6:.0f} MB free, and a snapshot takes {largest / 1e6:.0f} MB"
    return "ok" if free > LITTLE_DISK else "warn", f"{free / 1e9:.1f} GB free for DATA_DIR"


def _modes(settings: ServiceSettings) -> tuple[str, str]:
    open_files = preflight.modes(settings)
    if open_files:
        return "warn", "; ".join(f"{path} has mode {mode:o}: chmod 600 it" for path, mode in open_files)
    return "ok", "files with secrets are readable by their owner alone"


def _tables(settings: ServiceSettings) -> tuple[str, str]:
    """The whole load, cleaned: what a reload would do, without publishing it."""
    from data.checks import clean

    with services.source(settings) as source:
        tables = clean(source.load())
    left_out = sum(number for reasons in tables.quarantine.values() for number in reasons.values())
    return "ok", f"{tables.source}: {len(tables.videos)} videos, {len(tables.users)} users, {left_out} rows quarantined"


def _log_tables(settings: ServiceSettings) -> tuple[str, str]:
    from api.commands.database import opened

    with opened(settings) as sink:
        sink.activities_after(0, 1)
        sink.feeds_after(0, 1)
    return "ok", "activity_log and feed_log are there"


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
