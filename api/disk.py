"""Whether the disk of DATA_DIR takes anything: when it does not, the files through which processes talk fall silent."""

import os
from pathlib import Path

FULL = 1 << 20


def problems(folder: Path) -> list[str]:
    """What keeps files from being written below `folder`, in words; empty when nothing does."""
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        return [f"DATA_DIR: {error}"]
    if disk.f_flag & os.ST_RDONLY:
        return [f"DATA_DIR: the file system of {folder} is read-only"]
    free = disk.f_bavail * disk.f_frsize
    return [f"DATA_DIR: the disk of {folder} is full, {free} bytes are free"] if free < FULL else []
