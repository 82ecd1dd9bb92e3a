"""Why an SSH connection failed, in one sentence that names the setting to look at."""

from pathlib import Path

import asyncssh


def is_passing(error: Exception) -> bool:
    """Whether the failure may pass by itself; a wrong key, host key or user does not."""
    settled = (asyncssh.HostKeyNotVerifiable, asyncssh.PermissionDenied, ValueError, FileNotFoundError, PermissionError)
    return not isinstance(error, settled)


def explain(error: Exception, host: str, port: int, user: str, files: tuple[Path, Path]) -> str:
    """The sentence. `files` are the private key and the known_hosts file."""
    key_path, known_hosts = files
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return _host_key(host, port, known_hosts)
    if isinstance(error, asyncssh.PermissionDenied):
        return f"SSH_USER, SSH_KEY_PATH: {host}:{port} refuses user {user} with the key {key_path}"
    if isinstance(error, asyncssh.KeyImportError):
        return f"SSH_KEY_PATH: {key_path} is no private key that can be read ({error})"
    if isinstance(error, FileNotFoundError | PermissionError) and error.filename:
        setting = "SSH_KEY_PATH" if str(error.filename) == str(key_path) else "SSH_KNOWN_HOSTS"
        return f"{setting}: {error.filename} cannot be read ({error.strerror})"
    if isinstance(error, ValueError):
        return f"SSH_KEY_PATH, SSH_KNOWN_HOSTS: {key_path} with {known_hosts} cannot be used ({error})"
    if isinstance(error, TimeoutError):
        return f"SSH_HOST:SSH_PORT: {host}:{port} does not answer in time"
    if isinstance(error, OSError):
        return f"SSH_HOST:SSH_PORT: nothing answers at {host}:{port} ({error.strerror or error})"
    return f"SSH_HOST:SSH_PORT: {host}:{port} broke off ({error})"


def _host_key(host: str, port: int, known_hosts: Path) -> str:
    try:
        known = any(asyncssh.match_known_hosts(str(known_hosts), host, "", port)[:2])
    except (OSError, ValueError):
        known = False
    if known:
        return (
            f"SSH_KNOWN_HOSTS: the key of {host}:{port} is not the one in {known_hosts}: the server's key has "
            "changed, or this is another server; make sure which, then replace the line"
        )
    return (
        f"SSH_KNOWN_HOSTS: {known_hosts} does not know {host}:{port}: check the server's key and add it "
        f"(ssh-keyscan -p {port} {host})"
    )
