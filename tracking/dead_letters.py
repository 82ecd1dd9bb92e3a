"""Rows that the database refuses: kept in a local file with their reasons until a person decides.

One JSON line each: `kind`, `id`, `reason`, `body` (the record as text), `at`. The file is on the disk before the batch
is acknowledged. A batch that is flushed twice leaves its letter once.
"""

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import orjson

from tracking.segments import sync_folder
from tracking.times import to_iso


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused record: its kind (`activity` or `decision`), its id where it can be told, the reason, its text, and
    when it was refused (ISO-8601, UTC).
    """

    kind: str
    id: str
    reason: str
    body: str
    at: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """What people call it by: twelve hexadecimal digits that follow from kind and text."""
        return sha256(f"{self.kind}\n{self.body}".encode()).hexdigest()[:12]


class DeadLetters:
    """The file at `path`, shared by processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: set[str] = set()
        self._read: tuple[int, int] = (0, 0)  # the file's inode, and how far `_known` knows it

    def add(self, letters: list[DeadLetter]) -> None:
        """Keep letters that are not there yet. Raises OSError."""
        if not letters:
            return
        with self._locked():
            self._look()
            now = to_iso(datetime.now(UTC))
            fresh = {letter.name: replace(letter, at=now) for letter in letters if letter.name not in self._known}
            with self._path.open("ab") as file:
                # the line break comes first: a line torn by a crash must not swallow the next one
                file.write(b"".join(b"\n" + orjson.dumps(asdict(letter)) for letter in fresh.values()))
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self._path.parent)

    def letters(self) -> list[DeadLetter]:
        """All letters, oldest first. A line torn by a crash is passed over."""
        return list(_parsed(self._path.read_bytes())) if self._path.exists() else []

    def count(self) -> int:
        """How many there are; cheap when nothing has changed."""
        self._look()
        return len(self._known)

    def remove(self, names: Collection[str]) -> int:
        """Forget the letters of these names, all at once or (after a crash) none; how many were there."""
        with self._locked():
            found = self.letters()
            kept = [letter for letter in found if letter.name not in names]
            fresh = self._path.with_suffix(".new")
            with fresh.open("wb") as file:
                file.write(b"".join(b"\n" + orjson.dumps(asdict(letter)) for letter in kept))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            sync_folder(self._path.parent)
        return len(found) - len(kept)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone with the file. The lock has a file of its own, because `remove` puts another in the letters' place."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _look(self) -> None:
        """Learn the names of letters that came since the last look."""
        if not self._path.exists():
            self._known, self._read = set(), (0, 0)
            return
        with self._path.open("rb") as file:
            inode = os.fstat(file.fileno()).st_ino
            if inode != self._read[0] or os.fstat(file.fileno()).st_size < self._read[1]:
                self._known, self._read = set(), (inode, 0)
            file.seek(self._read[1])
            new = file.read()
        self._known.update(letter.name for letter in _parsed(new))
        self._read = (inode, self._read[1] + len(new))


def _parsed(content: bytes) -> Iterator[DeadLetter]:
    for line in content.splitlines():
        try:
            values = orjson.loads(line)
        except ValueError:
            continue
        yield DeadLetter(values["kind"], values["id"], values["reason"], values["body"], values.get("at", ""))
