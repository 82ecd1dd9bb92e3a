"""Checks that need more than one setting, and what a duration or a placeholder is."""

import difflib
import ipaddress
import re
import ssl
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dotenv.parser import parse_stream

if TYPE_CHECKING:
    from api.settings import ServiceSettings

MIN_TOKEN = 24
PLACEHOLDERS = frozenset({"secret", "password", "passwd", "token", "admin", "root", "test", "example", "placeholder"})
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SECRETS = ("mysql_password", "redis_password", "admin_token")
HOSTS = ("mysql_host", "redis_host", "ssh_host")


@dataclass(frozen=True, slots=True)
class Problem:
    """A setting (upper-case name) and what is wrong with it."""

    setting: str
    reason: str


def duration(value: Any) -> Any:
    """Seconds of `90`, `90s`, `15m`, `2h` or `1d`; anything else is left for the number check to refuse.

    >>> duration("15m"), duration("2.5"), duration("soon")
    (900.0, 2.5, 'soon')
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", str(value))
    return float(match[1]) * UNITS[match[2]] if match else value


def networks(value: str) -> str:
    """`*`, or addresses and networks with commas between. Raises ValueError that names one that is neither.

    >>> networks("127.0.0.1, 10.0.0.0/8")
    '127.0.0.1,10.0.0.0/8'
    """
    found = [part.strip() for part in value.split(",") if part.strip()]
    for part in found if found != ["*"] else []:
        try:
            ipaddress.ip_network(part)
        except ValueError:
            raise ValueError(f"{part} is no address and no network like 10.0.0.0/8") from None
    return ",".join(found)


def is_placeholder(secret: str) -> bool:
    """Is it a value of the examples, or one that everybody tries first?

    >>> is_placeholder("change-me-mysql-password"), is_placeholder("tR4-ok-9fPq2")
    (True, False)
    """
    text = secret.strip().lower()
    return "change-me" in text or "changeme" in text or text.rstrip("0123456789!") in PLACEHOLDERS


def broken_lines(file: Path) -> list[Problem]:
    """A problem for each line that is no `NAME=value`; its text is not shown, as it may hold a secret."""
    try:
        with file.open(encoding="utf-8") as stream:
            found = list(parse_stream(stream))
    except (OSError, UnicodeDecodeError):
        return []
    reason = "is not NAME=value, or a quotation mark is missing"
    odd = [line.original for line in found if line.error or (line.key is not None and line.value is None)]
    return [Problem(f"{file}, line {_first(text.string, text.line)}", reason) for text in odd]


def _first(text: str, line: int) -> int:
    """The number of the first line of a text that is not empty, when the text begins at `line`."""
    return line + text[: len(text) - len(text.lstrip())].count("\n")


def unknown_names(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """A line for each name that is no setting, with the nearest one that is."""
    known = sorted(known)
    lines = []
    for name in sorted(set(names) - set(known)):
        near = difflib.get_close_matches(name, known, n=1)
        lines.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
    return lines


def cross_checks(settings: "ServiceSettings", staging_hosts: frozenset[str], skip: set[str]) -> list[Problem]:
    """All problems that show only when settings are seen together. `skip`: settings already reported."""
    problems = _engine(settings)
    if not settings.embedded:
        problems += _required(settings) + _authorities(settings) + _tunnel(settings)
    if settings.environment == "production":
        problems += _production(settings, staging_hosts)
    first: dict[str, Problem] = {}
    for problem in problems:
        first.setdefault(problem.setting, problem)
    return [problem for name, problem in first.items() if name not in skip]


def _engine(settings: "ServiceSettings") -> list[Problem]:
    try:
        _ = settings.engine
    except ValueError as error:
        name, _, reason = str(error).partition(": ")
        return [Problem(name.upper(), reason)]
    return []


def _required(settings: "ServiceSettings") -> list[Problem]:
    reason = f"is required when ENVIRONMENT is {settings.environment}"
    return [
        Problem(name.upper(), reason)
        for name in ("mysql_host", "mysql_user", "mysql_db")
        if not getattr(settings, name)
    ]


def _authorities(settings: "ServiceSettings") -> list[Problem]:
    path = settings.redis_ca_path
    if path is None:
        return []
    if settings.redis_scheme != "tls":
        return [Problem("REDIS_CA_PATH", "is set, but nothing is encrypted while REDIS_SCHEME is tcp")]
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        return [Problem("REDIS_CA_PATH", f"{path} holds no certificate in PEM")]
    except OSError as error:
        return [Problem("REDIS_CA_PATH", f"{path} cannot be read: {error.strerror}")]
    return []


def _tunnel(settings: "ServiceSettings") -> list[Problem]:
    if not settings.ssh_host:
        return []
    problems = [Problem("SSH_USER", "is required when SSH_HOST is set")] if not settings.ssh_user else []
    for name in ("ssh_key_path", "ssh_known_hosts"):
        path: Path | None = getattr(settings, name)
        if path is None:
            problems.append(Problem(name.upper(), "is required when SSH_HOST is set"))
        elif not path.is_file():
            problems.append(Problem(name.upper(), f"{path} is not a file"))
    key = settings.ssh_key_path
    if key and key.is_file() and stat.S_IMODE(key.stat().st_mode) & 0o077:
        problems.append(Problem("SSH_KEY_PATH", f"{key} may be read by others; chmod 600 it"))
    return problems


def _production(settings: "ServiceSettings", staging_hosts: frozenset[str]) -> list[Problem]:
    problems = []
    for name in SECRETS:
        secret = getattr(settings, name)
        if secret is not None and is_placeholder(secret.get_secret_value()):
            problems.append(Problem(name.upper(), "still holds a placeholder; production needs a real secret"))
    token = settings.admin_token
    if token is None:
        problems.append(Problem("ADMIN_TOKEN", "is required in production"))
    elif len(token.get_secret_value()) < MIN_TOKEN:
        problems.append(Problem("ADMIN_TOKEN", f"is shorter than {MIN_TOKEN} characters"))
    if settings.mysql_password is None:
        problems.append(Problem("MYSQL_PASSWORD", "is required in production"))
    return problems + _staging(settings, staging_hosts)


def _staging(settings: "ServiceSettings", staging_hosts: frozenset[str]) -> list[Problem]:
    """Hosts of staging. This machine's own name is left out: behind a tunnel both call it 127.0.0.1."""
    problems = []
    for name in HOSTS:
        host = (getattr(settings, name) or "").lower()
        if host and host not in LOCAL and (host in staging_hosts or "staging" in host):
            problems.append(Problem(name.upper(), f"{host} is a host of staging; production refuses it"))
    return problems
