"""What is looked at before anything starts: what can be told without a connection, all at once."""

import logging
import os
from pathlib import Path

from api import services
from api.settings import ServiceSettings, SettingsError, warnings
from api.settings_rules import Problem

logger = logging.getLogger(__name__)


def check(settings: ServiceSettings, role: str) -> None:
    """Raises SettingsError with everything that would make the start useless; logs what is only odd."""
    problems = [*folder_problems(settings), *host_key_problems(settings)]
    if settings.table_mapping:
        problems += mapping_problems(settings)
    if role != "all" and settings.ssh_host and settings.redis_host and not settings.tunnel_redis_port:
        problems.append(Problem("TUNNEL_REDIS_PORT", "is required when the roles are started one by one"))
    if problems:
        raise SettingsError(problems)
    for line in warnings(settings):
        logger.warning("%s", line)
    if settings.embedded and settings.mysql_host:
        logger.warning("ENVIRONMENT is embedded: MYSQL_HOST and the like are not used")


def folder_problems(settings: ServiceSettings) -> list[Problem]:
    """DATA_DIR and LOG_DIR must take files."""
    found = []
    for name, folder in (("DATA_DIR", settings.data_dir), ("LOG_DIR", settings.log_dir)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            found.append(Problem(name, f"{folder} cannot be made: {error.strerror}"))
            continue
        if not os.access(folder, os.W_OK | os.X_OK):
            found.append(Problem(name, f"{folder} cannot be written to"))
    return found


def host_key_problems(settings: ServiceSettings) -> list[Problem]:
    """The SSH host's key must be known before the first connection."""
    if settings.embedded or not settings.ssh_host or not settings.ssh_known_hosts:
        return []
    import asyncssh

    try:
        matched = asyncssh.match_known_hosts(str(settings.ssh_known_hosts), settings.ssh_host, "", settings.ssh_port)
    except (OSError, ValueError, asyncssh.Error) as error:
        return [Problem("SSH_KNOWN_HOSTS", f"{settings.ssh_known_hosts} cannot be read: {error}")]
    if any(matched[:2]):
        return []
    where = settings.ssh_host if settings.ssh_port == 22 else f"[{settings.ssh_host}]:{settings.ssh_port}"
    hint = "ask its owner for the key's fingerprint, then add the line of ssh-keyscan"
    return [Problem("SSH_KNOWN_HOSTS", f"{settings.ssh_known_hosts} holds no key of {where}; {hint}")]


def mapping_problems(settings: ServiceSettings) -> list[Problem]:
    """TABLE_MAPPING must name tables and columns that there are."""
    try:
        services.names(settings)
    except SettingsError as error:
        return error.problems
    return []


def modes(settings: ServiceSettings) -> list[tuple[Path, int]]:
    """Files with secrets that others may read, with their modes."""
    folder = settings.credentials_dir
    files = [folder / ".env", folder / f".env.{settings.environment}", settings.data_dir / "admin-token"]
    if settings.ssh_key_path:
        files.append(settings.ssh_key_path)
    found = [(path, path.stat().st_mode & 0o777) for path in files if path.is_file()]
    return [(path, mode) for path, mode in found if mode & 0o077]
