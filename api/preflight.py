"""What is looked at before anything starts: what can be told without a connection, all at once."""

import ipaddress
import logging
import os
import socket
from pathlib import Path
from typing import Any

from api import services
from api.settings import ServiceSettings, SettingsError, attempt, warnings
from api.settings_rules import Problem

logger = logging.getLogger(__name__)


def check(settings: ServiceSettings, role: str) -> None:
    """Raises SettingsError with everything that would make the start useless; logs what is only odd."""
    found = problems(settings, role)
    if found:
        raise SettingsError(found)
    for line in warnings(settings):
        logger.warning("%s", line)
    if settings.embedded and settings.mysql_host:
        logger.warning("ENVIRONMENT is embedded: MYSQL_HOST and the like are not used")


def loaded(role: str = "all", **changes: Any) -> ServiceSettings:
    """The settings with `changes` (None: none). Raises SettingsError with all that is wrong in them and all that
    `check` would refuse, without making anything."""
    read, found = attempt()
    if read is not None:
        read = read.model_copy(update={name: value for name, value in changes.items() if value is not None})
        named = {problem.setting for problem in found}
        found += [problem for problem in problems(read, role, make=False) if problem.setting not in named]
    if found or read is None:
        raise SettingsError(found)
    return read


def problems(settings: ServiceSettings, role: str, make: bool = True) -> list[Problem]:
    """What can be told without the network; `make`: whether folders that are not there are made."""
    found = [*folder_problems(settings, make), *host_key_problems(settings)]
    if role != "work":
        found += address_problems(settings)
    if settings.table_mapping:
        found += mapping_problems(settings)
    if role != "all" and settings.ssh_host and settings.redis_host and not settings.tunnel_redis_port:
        found.append(Problem("TUNNEL_REDIS_PORT", "is required when the roles are started one by one"))
    return found


def address_problems(settings: ServiceSettings) -> list[Problem]:
    """HOST must be an address of this machine; a name is left for the start to look up."""
    try:
        version = ipaddress.ip_address(settings.host).version
    except ValueError:
        return []
    try:
        with socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6) as probe:
            probe.bind((settings.host, 0))
    except OSError as error:
        return [Problem("HOST", f"{settings.host} is no address of this machine ({error.strerror})")]
    return []


def folder_problems(settings: ServiceSettings, make: bool = True) -> list[Problem]:
    """DATA_DIR and LOG_DIR must take files; where they are not made, the folder they would be made in."""
    found = []
    for name, folder in (("DATA_DIR", settings.data_dir), ("LOG_DIR", settings.log_dir)):
        try:
            if make:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            found.append(Problem(name, f"{folder} cannot be made: {error.strerror}"))
            continue
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            found.append(Problem(name, f"{there} is not a folder"))
        elif not os.access(there, os.W_OK | os.X_OK):
            found.append(Problem(name, f"{there} cannot be written to"))
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
