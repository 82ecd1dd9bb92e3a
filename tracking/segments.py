"""Append-only files of checked records: the spool's format.

A record is `<length: u32><crc32: u32><body>`, little-endian; the checksum covers the length and the body. A file ends
where its last whole record ends: what a crash tore off was never acknowledged, so it is dropped without regret.
Beside a segment lies a note of how far it was stored, `<segment>.offset`: `<bytes> <records>`.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

HEADER = struct.Struct("<II")
LONGEST = 16 * 1024 * 1024


@dataclass(slots=True)
class Progress:
    """Of a segment: how far it was stored, how far it was counted, and since when something waits in it. Once it was
    read to its end (at `end_at`), what the reader acknowledges leaves only what came later.
    """

    stored_offset: int = 0
    stored_records: int = 0
    counted_offset: int = 0
    counted_records: int = 0
    since: float = 0.0
    end_at: float | None = None

    def store(self, offset: int, records: int) -> None:
        """It was stored so far, or farther already."""
        if offset > self.stored_offset:
            self.stored_offset, self.stored_records = offset, records
        if offset > self.counted_offset:
            self.counted_offset, self.counted_records = offset, records


def frame(body: bytes) -> bytes:
    """A body with its length and checksum in front."""
    return HEADER.pack(len(body), zlib.crc32(body, len(body))) + body


def read(path: Path, offset: int) -> Iterator[tuple[bytes, int]]:
    """Whole records from a byte offset on, each with the offset behind it. Stops at one that is torn or damaged."""
    with path.open("rb") as file:
        file.seek(offset)
        while len(header := file.read(HEADER.size)) == HEADER.size:
            length, checksum = HEADER.unpack(header)
            body = file.read(length) if length <= LONGEST else b""
            if len(body) != length or zlib.crc32(body, length) != checksum:
                return
            offset += HEADER.size + length
            yield body, offset


class Segment:
    """A file that one process appends to. The process holds a lock on it, so that others know when it is gone."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.size, self._named = path, 0, False
        unlocked = path.with_suffix(".new")
        self._descriptor = os.open(unlocked, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            unlocked.rename(path)  # only now may others look at it, or they would take it for abandoned
        except OSError:
            unlocked.unlink(missing_ok=True)
            self.close()
            raise

    def append(self, frames: bytes) -> None:
        """Hand frames to the operating system: they survive this process, not the machine. Raises OSError."""
        view = memoryview(frames)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self.size += len(frames)

    def sync(self) -> None:
        """Wait until everything appended is on the disk, the file's name included. Raises OSError."""
        os.fsync(self._descriptor)
        if not self._named:
            sync_folder(self.path.parent)
            self._named = True

    def take_back(self, size: int) -> bool:
        """Cut off what was appended behind `size` and never acknowledged. Returns whether the segment goes on; if not,
        it is closed.

        One in which whole records lay there ends: a flusher may have read them, and would look for the next ones behind
        them. So does one that cannot be cut: a torn record must stay the last of its file.
        """
        try:
            goes_on = next(read(self.path, size), None) is None
            os.ftruncate(self._descriptor, size)
        except OSError:
            goes_on = False
        self.size = size
        if not goes_on:
            self.close()
        return goes_on

    @property
    def deleted(self) -> bool:
        """Whether the file has no name any more: what is appended is lost when this process ends."""
        return os.fstat(self._descriptor).st_nlink == 0

    def close(self) -> None:
        """Release the lock; the file stays unless it holds no whole record."""
        if self.size == 0:
            with suppress(OSError):  # of a folder that is read-only now
                self.path.unlink(missing_ok=True)
                self.path.with_suffix(".offset").unlink(missing_ok=True)
        os.close(self._descriptor)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def abandoned(path: Path) -> bool:
    """True when no living process appends to the file."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def note(path: Path, offset: int, records: int) -> None:
    """Write down how far a segment was stored, wholly or not at all. Raises OSError."""
    temporary = path.with_suffix(f".{uuid4().hex[:8]}")
    try:
        temporary.write_text(f"{offset} {records}")
        temporary.replace(path.with_suffix(".offset"))
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def noted(path: Path) -> tuple[int, int]:
    """How far a segment was stored: bytes and records. A note that a power cut emptied only makes rows repeat."""
    try:
        offset, records = map(int, path.with_suffix(".offset").read_text().split())
    except (FileNotFoundError, ValueError):
        return 0, 0
    return offset, records
