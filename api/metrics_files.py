"""Files in which processes keep their metrics for each other: what a dead one counted is added to one file for all.

Without that every process that ever ran would leave its files, and /metrics would read them all for ever.
"""

import logging
import os
import struct
from pathlib import Path
from typing import Any

from prometheus_client import mmap_dict

from api.metrics_folders import HEIR

logger = logging.getLogger(__name__)


def reserve(folder: Path, pid: int) -> None:
    """Take the disk space of a process's files now: they are sparse, and writing to one on a full disk ends a process
    with SIGBUS instead of an error."""
    for path in folder.glob(f"*_{pid}.db"):
        try:
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            logger.error("%s has no room on the disk, and this process will not survive that: %s", path, error)


def bury(folder: Path, pid: int) -> None:
    """Add the counters and histograms of a process that has ended to those of the dead; forget its gauges."""
    for kind in ("counter", "histogram"):
        left = folder / f"{kind}_{pid}.db"
        try:
            _add(left, folder / f"{kind}_{HEIR}.db")
        except (OSError, ValueError, struct.error) as error:
            logger.warning("what process %d counted is lost: %s", pid, error)
        left.unlink(missing_ok=True)
    for path in folder.glob(f"gauge_*_{pid}.db"):
        path.unlink(missing_ok=True)


def _add(left: Path, kept: Path) -> None:
    if not left.exists():
        return
    files: Any = mmap_dict.MmapedDict
    with kept.open("ab") as file:  # before it is mapped: see `reserve`
        os.posix_fallocate(file.fileno(), 0, max(left.stat().st_size, kept.stat().st_size))
    heir = files(str(kept))
    try:
        for key, value, _, _ in files.read_all_values_from_file(str(left)):
            heir.write_value(key, heir.read_value(key)[0] + value, 0.0)
    finally:
        heir.close()
