"""Files in which processes keep their metrics for each other: what a dead one counted is added to one file for all.

Without that every process that ever ran would leave its files, and /metrics would read them all for ever.
"""

import logging
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client import mmap_dict

from api import spare
from api.files import write_whole
from api.metrics_folders import HEIR

logger = logging.getLogger(__name__)


def reserve(folder: Path, pid: int) -> None:
    """Take the disk space of a process's files now, and as much again for their growth: they are sparse, and writing to
    one on a full disk ends a process with SIGBUS instead of an error. Raises OSError: the process should end, and be
    started again with its files elsewhere."""
    for path in (path for place in spare.both(folder) for path in place.glob(f"*_{pid}.db")):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, 2 * path.stat().st_size)


def bury(folder: Path, pid: int) -> None:
    """Add the counters and histograms of a process that has ended to those of the dead; forget its gauges.

    Never raises. On a disk that takes nothing the files stay as they are, and are counted as they are.
    """
    for place in spare.both(folder):
        try:
            for kind in ("counter", "histogram"):
                left = place / f"{kind}_{pid}.db"
                if left.exists():
                    _add(left, place / f"{kind}_{HEIR}.db")
                    left.unlink(missing_ok=True)
            for path in place.glob(f"gauge_*_{pid}.db"):
                path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("the metrics of process %d, which has ended, stay in files of their own: %s", pid, error)


def _add(left: Path, kept: Path) -> None:
    """Written whole and never mapped: a full disk is an error here, and not the end of this process by SIGBUS."""
    if counted := _values(left):
        total = _values(kept)
        for key, value in counted.items():
            total[key] = total.get(key, 0.0) + value
        write_whole(kept, _packed(total))


def _values(path: Path) -> dict[str, float]:
    """What a file counts; nothing when it is not there, or damaged."""
    files: Any = mmap_dict.MmapedDict
    try:
        return {key: value for key, value, _, _ in files.read_all_values_from_file(str(path))}
    except FileNotFoundError:
        return {}
    except (ValueError, struct.error, RuntimeError) as error:
        logger.warning("what was counted in %s is lost, it is damaged: %s", path, error)
        return {}


def _packed(values: Mapping[str, float]) -> bytes:
    """A file as `prometheus_client` lays it out: how much is used, then keys, padded with spaces, and their values."""
    entries = []
    for key, value in values.items():
        encoded = key.encode()
        padded = encoded + b" " * (8 - (len(encoded) + 4) % 8)
        entries.append(struct.pack(f"i{len(padded)}sdd", len(encoded), padded, value, 0.0))
    content = b"".join(entries)
    return struct.pack("i4x", 8 + len(content)) + content
