"""Published bandit states in a folder: `<version>.npz` and the pointer file `CURRENT`.

A file holds the sums *and* the watermark up to which the logs are in them, so the two cannot part. Its version names
the sums' content: a state that only saw more rows without learning from them keeps its version, and nobody reloads.
"""

import hashlib
import io
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import BadZipFile

import numpy as np
import orjson

from engine.bandit.policy import LEARNING_POOLS, Policy
from engine.bandit.statistics import Statistics
from tracking.rewards import KINDS, WEIGHTS
from tracking.segments import sync_folder

log = logging.getLogger(__name__)

FORMAT = 1
UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile)


class PolicyError(Exception):
    """A policy file cannot be used; the message names it."""


def _untaught() -> dict[str, Statistics]:
    return {pool: Statistics.empty(len(KINDS)) for pool in LEARNING_POOLS}


@dataclass(slots=True, eq=False)
class State:
    """What the logs taught up to a watermark: the last rows of `activity_log` and `feed_log` that are in the sums.

    `acts` counts viewers' acts in those rows, `attributed` those that found their feed.
    """

    statistics: dict[str, Statistics] = field(default_factory=_untaught)
    activity_row: int = 0
    feed_row: int = 0
    acts: int = 0
    attributed: int = 0

    @property
    def unattributed(self) -> int:
        """Acts that belong to no feed known so far."""
        return self.acts - self.attributed

    @property
    def version(self) -> str:
        """`untrained`, or the number of examined items and a hash of the sums."""
        examined = int(sum(sums.count for sums in self.statistics.values()))
        if not examined:
            return "untrained"
        content = hashlib.sha256("".join(KINDS).encode() + np.array(WEIGHTS).tobytes())
        for name, array in sorted(_arrays(self.statistics).items()):
            content.update(name.encode() + np.ascontiguousarray(array).tobytes())
        return f"{examined:010d}-{content.hexdigest()[:12]}"


class PolicyStore:
    """Policies in `folder`, shared by processes: one writes, all read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def current_version(self) -> str | None:
        """The version that is live, or None before the first; one small file, cheap to poll."""
        try:
            return (self._folder / "CURRENT").read_text().strip() or None
        except FileNotFoundError:
            return None

    def load_current(self) -> Policy:
        """The live policy; the newest good one if that is damaged; the untrained one before the first."""
        for version in self._candidates():
            try:
                state = self._load(version)
            except PolicyError as error:
                log.error("%s", error)
                continue
            return Policy(version, state.statistics, WEIGHTS)
        return Policy.untrained(WEIGHTS)

    def load_state(self) -> State:
        """The live state to learn on from. A damaged one counts as none: the logs teach it again."""
        version = self.current_version()
        if version is None:
            return State()
        try:
            return self._load(version)
        except PolicyError as error:
            log.error("%s: learning again from the logs", error)
            return State()

    def publish(self, state: State) -> str:
        """Make a state live, durably; its version. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        version, memory = state.version, io.BytesIO()
        details = {"format": FORMAT, "kinds": list(KINDS), "weights": list(WEIGHTS)}
        details |= {name: getattr(state, name) for name in ("activity_row", "feed_row", "acts", "attributed")}
        arrays: dict[str, Any] = _arrays(state.statistics)
        np.savez(memory, details=np.frombuffer(orjson.dumps(details), dtype=np.uint8), **arrays)
        self._replace(f"{version}.npz", memory.getvalue())
        if self.current_version() != version:
            self._replace("CURRENT", f"{version}\n".encode())
        return version

    def prune(self, keep: int) -> None:
        """Delete all but the newest `keep` versions and the live one."""
        for version in self._versions()[keep:]:
            if version != self.current_version():
                (self._folder / f"{version}.npz").unlink(missing_ok=True)

    def _versions(self) -> list[str]:
        """Versions in the folder, newest first."""
        found = self._folder.glob("*.npz") if self._folder.is_dir() else ()
        return [path.stem for path in sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)]

    def _candidates(self) -> list[str]:
        current = self.current_version()
        return [] if current is None else list(dict.fromkeys([current, *self._versions()]))

    def _load(self, version: str) -> State:
        path = self._folder / f"{version}.npz"
        try:
            with np.load(path, allow_pickle=False) as file:
                details = orjson.loads(file["details"].tobytes())
                if details.pop("format") != FORMAT or details.pop("kinds") != list(KINDS):
                    raise ValueError("it was made for another format or other reward kinds")
                details.pop("weights")
                sums = {pool: Statistics.of_arrays(_of_pool(file, pool)) for pool in LEARNING_POOLS}
        except UNREADABLE as error:
            raise PolicyError(f"policy {path} cannot be used: {error}") from error
        return State(sums, **details)

    def _replace(self, name: str, content: bytes) -> None:
        """Write a file so that it is there whole or not at all."""
        temporary = self._folder / f"{name}.tmp-{uuid4().hex[:8]}"
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._folder / name)
        sync_folder(self._folder)


def _arrays(statistics: Mapping[str, Statistics]) -> dict[str, Any]:
    return {f"{pool}.{name}": array for pool, sums in statistics.items() for name, array in sums.to_arrays().items()}


def _of_pool(file: Mapping[str, Any], pool: str) -> dict[str, Any]:
    return {name.partition(".")[2]: file[name] for name in file if name.startswith(f"{pool}.")}
