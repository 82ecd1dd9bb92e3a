"""A second place for the small files of DATA_DIR while its disk takes none: the same tree in this machine's memory.

    /dev/shm/talentfeed-<user>/<DATA_DIR>/metrics/serve-<host>/counter_<pid>.db

So a process can start, be counted and be seen although the disk is full, read-only or gone, and every process of the
machine finds the place by itself. It belongs to one user: a folder of that name that somebody else made is not used.
"""

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

MEMORY = Path("/dev") / "shm"


def both(folder: Path) -> list[Path]:
    """The first place of a folder, and the second where there may be one. `folder` is either of them."""
    first = _first(folder)
    return [first, _second(first)] if _is_own(_root()) else [first]


def make(folder: Path) -> Path:
    """The second place of a folder, made. Raises OSError."""
    root, second = _root(), _second(_first(folder))
    root.mkdir(mode=0o700, exist_ok=True)
    if not _is_own(root):
        raise PermissionError(f"{root} is another user's")
    second.mkdir(parents=True, exist_ok=True)
    return second


def clear(folder: Path) -> None:
    """Remove the second place of a folder, and those above it that are empty then."""
    for second in both(folder)[1:]:
        shutil.rmtree(second, ignore_errors=True)
        with suppress(OSError):
            os.removedirs(second.parent)


def _root() -> Path:
    return MEMORY / f"talentfeed-{os.getuid()}"


def _is_own(root: Path) -> bool:
    try:
        found = root.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _first(folder: Path) -> Path:
    path, root = folder.absolute(), _root()
    return Path("/") / path.relative_to(root) if path.is_relative_to(root) else path


def _second(first: Path) -> Path:
    return _root() / first.relative_to("/")
