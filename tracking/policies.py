"""Published bandit states in a folder: `<version>.npz`, the pointer file `CURRENT`, and `FROZEN` while nobody learns.

A file holds the sums *and* the watermark up to which the logs are in them, so the two cannot part. Its version names
the sums' content: a state that only saw more rows without learning from them keeps its version, and nobody reloads.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from engine.bandit.policy import Policy
from tracking.rewards import WEIGHTS
from tracking.segments import sync_folder
from tracking.state import UNTRAINED, State
from tracking.state_file import StateFileError, dump, load

log = logging.getLogger(__name__)

LOCK_SECONDS = 10.0


class PolicyError(Exception):
    """A policy cannot be used or changed now; the message says why."""


class PolicyStore:
    """Policies in `folder`, shared by processes: who holds `alone` writes, all read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def current_version(self) -> str | None:
        """The version that is live, or None before the first; one small file, cheap to poll."""
        try:
            return (self._folder / "CURRENT").read_text().strip() or None
        except FileNotFoundError:
            return None

    def stamp(self) -> tuple[str | None, int, int]:
        """Changes whenever somebody publishes a state, be it of the same version."""
        version = self.current_version()
        try:
            found = (self._folder / f"{version}.npz").stat()
        except FileNotFoundError:
            return version, 0, 0
        return version, found.st_ino, found.st_mtime_ns

    def load_current(self) -> Policy:
        """The live policy; the newest good one if that is damaged; the untrained one before the first."""
        version, state = self._newest_good()
        return state.policy(version or UNTRAINED) if state else Policy.untrained(WEIGHTS)

    def load_state(self) -> State | None:
        """The live state, to learn on from. The newest good one if that is damaged: the logs teach it what it lacks."""
        return self._newest_good()[1]

    def publish(self, state: State) -> str:
        """Make a state live, durably; its version. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        version = state.version
        self._replace(f"{version}.npz", dump(state))
        if self.current_version() != version:
            self._replace("CURRENT", f"{version}\n".encode())
        return version

    def prune(self, keep: int) -> None:
        """Delete all but the newest `keep` versions and the live one, and what a crash left half written.

        Only for who holds `alone`.
        """
        live = self.current_version()
        for version in [version for version in self._versions() if version != live][max(0, keep - 1) :]:
            (self._folder / f"{version}.npz").unlink(missing_ok=True)
        for path in self._folder.glob("*.tmp-*"):
            path.unlink(missing_ok=True)

    @property
    def frozen(self) -> bool:
        """Whether learning is halted."""
        return (self._folder / "FROZEN").exists()

    def freeze(self, frozen: bool) -> None:
        """Halt learning, or let it go on with what the logs gathered meanwhile."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if frozen:
            (self._folder / "FROZEN").touch()
        else:
            (self._folder / "FROZEN").unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only writer. Raises PolicyError when another one does not end in time."""
        self._folder.mkdir(parents=True, exist_ok=True)
        limit = time.monotonic() + LOCK_SECONDS
        with (self._folder / ".lock").open("w") as file:
            while not _locked(file.fileno()):
                if time.monotonic() > limit:
                    raise PolicyError(f"{self._folder}: another process has been writing for {LOCK_SECONDS:.0f} s")
                time.sleep(0.02)
            yield

    def _newest_good(self) -> tuple[str | None, State | None]:
        current = self.current_version()
        for version in [] if current is None else dict.fromkeys([current, *self._versions()]):
            try:
                return version, load(self._folder / f"{version}.npz")
            except StateFileError as error:
                log.error("%s", error)
        return None, None

    def _versions(self) -> list[str]:
        """Versions in the folder, newest first."""
        found = self._folder.glob("*.npz") if self._folder.is_dir() else ()
        return [path.stem for path in sorted(found, key=_changed, reverse=True)]

    def _replace(self, name: str, content: bytes) -> None:
        """Write a file so that it is there whole or not at all."""
        temporary = self._folder / f"{name}.tmp-{uuid4().hex[:8]}"
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._folder / name)
        sync_folder(self._folder)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
