"""Small JSON files that the processes of one service share; each is replaced whole, so none is ever half read."""

import fcntl
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in the file; None when it is absent or no JSON object."""
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return content if isinstance(content, dict) else None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace the file. Raises OSError."""
    write_whole(path, orjson.dumps(content, default=str))


def write_whole(path: Path, content: bytes) -> None:
    """Replace the file, or leave it as it was. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise


@contextmanager
def locked(path: Path, seconds: float = math.inf) -> Iterator[None]:
    """Hold the lock file while inside; waits for others, so long at most. The lock falls with the process.

    Raises OSError, and TimeoutError, which is one, when another process does not let go in time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        _lock(descriptor, path, seconds)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def in_turn(path: Path, seconds: float) -> Iterator[None]:
    """One process after another where that can be; who waited so long, or cannot use the file, goes on all the same."""
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(locked(path, seconds))
        yield


def _lock(descriptor: int, path: Path, seconds: float) -> None:
    limit = time.monotonic() + seconds
    while seconds < math.inf:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > limit:
                raise TimeoutError(f"{path}: another process has held it for {seconds:.0f} s") from None
            time.sleep(0.01)
    return fcntl.flock(descriptor, fcntl.LOCK_EX)


def try_lock(path: Path) -> int | None:
    """Take a lock for the life of this process: its descriptor, or None when another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
