"""Rows that the database refuses: kept in a local file with their reasons until a person decides.

One JSON line each: `kind`, `id`, `reason`, `body` (the record as text), `at`. The file is on the disk before the batch
is acknowledged. A batch that is flushed twice leaves its letter once.
"""

import fcntl
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from tracking.times import to_iso


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused record: its kind (`activity` or `decision`), its id where it can be told, the reason and its text."""

    kind: str
    id: str
    reason: str
    body: str


class DeadLetters:
    """The file at `path`, shared by processes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, letters: list[DeadLetter]) -> None:
        """Keep letters that are not there yet. Raises OSError."""
        if not letters:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            known = {(letter.kind, letter.body) for letter in self.letters()}
            stamp = {"at": to_iso(datetime.now(UTC))}
            fresh = [letter for letter in letters if (letter.kind, letter.body) not in known]
            # the line break comes first: a line torn by a crash must not swallow the next one
            file.write(b"".join(b"\n" + orjson.dumps(asdict(letter) | stamp) for letter in fresh))
            file.flush()
            os.fsync(file.fileno())

    def letters(self) -> list[DeadLetter]:
        """All letters, oldest first. A line torn by a crash is passed over."""
        found = []
        for line in self._path.read_bytes().splitlines() if self._path.exists() else ():
            try:
                values = orjson.loads(line)
            except ValueError:
                continue
            found.append(DeadLetter(values["kind"], values["id"], values["reason"], values["body"]))
        return found
