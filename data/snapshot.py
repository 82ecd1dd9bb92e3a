"""The folder of all snapshots and the one small file, `CURRENT`, that says which is served."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from data.snapshot_files import (
    ID,
    Arrays,
    Snapshot,
    SnapshotError,
    discard,
    read_manifest,
    replace_text,
    sweep,
    write,
)

logger = logging.getLogger(__name__)

POINTER = "CURRENT"

__all__ = ["POINTER", "Arrays", "Snapshot", "SnapshotError", "SnapshotInfo", "SnapshotStore", "write"]


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """What is known of a snapshot without opening its arrays. `bytes` is the arrays' size on disk."""

    id: str
    created_at: str
    order: int
    bytes: int
    current: bool
    details: Mapping[str, Any]


class SnapshotStore:
    """All snapshots below one folder. Any number of processes read; one writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def publish(self, arrays: Arrays, details: Mapping[str, object]) -> str:
        """Write a snapshot and make it the current one; the id. `SnapshotError` leaves everything as it was."""
        identity = write(self.folder, arrays, details)
        self._point_at(identity)
        return identity

    def current_id(self) -> str | None:
        """The id that the pointer names, None when there is none. One small read: cheap enough to poll."""
        try:
            text = (self.folder / POINTER).read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            return None
        return text if ID.fullmatch(text) else None

    def current_details(self) -> Mapping[str, Any]:
        """The current snapshot's details, without a look at its arrays; empty when there is none or it is damaged."""
        identity = self.current_id()
        try:
            return dict(read_manifest(self.folder / identity)["details"]) if identity else {}
        except SnapshotError:
            return {}

    def open_current(self) -> Snapshot:
        """The current snapshot; when it is damaged, the newest other one that is whole, with an error logged.

        Raises `SnapshotError` when there is none at all, naming what was wrong with the current one.
        """
        wanted = self.current_id()
        problem = f"{self.folder / POINTER} names no snapshot"
        for identity in self._wanted_first(wanted):
            try:
                found = Snapshot.open(self.folder / identity)
            except SnapshotError as error:
                logger.error("snapshot refused: id=%s reason=%s", identity, error)
                problem = str(error) if identity == wanted else problem
                continue
            if identity != wanted:
                logger.error("serving an older snapshot: id=%s instead of=%s", identity, wanted)
            return found
        raise SnapshotError(problem)

    def _wanted_first(self, wanted: str | None) -> Iterator[str]:
        """An id and then all others, the latest first; nobody looks for those without need."""
        if wanted:
            yield wanted
        yield from (info.id for info in self.list() if info.id != wanted)

    def activate(self, identity: str) -> None:
        """Make a snapshot the current one after checking it whole; `SnapshotError` when it is unknown or damaged."""
        if not ID.fullmatch(identity) or not (self.folder / identity).is_dir():
            raise SnapshotError(f"{self.folder / identity}: there is no such snapshot")
        Snapshot.open(self.folder / identity)
        self._point_at(identity)

    def list(self) -> list[SnapshotInfo]:
        """All snapshots with a readable manifest, the latest written first."""
        current, found = self.current_id(), []
        for path in self.folder.iterdir() if self.folder.is_dir() else []:
            if not ID.fullmatch(path.name):
                continue
            try:
                found.append(_info(read_manifest(path), current))
            except SnapshotError as error:
                logger.error("snapshot refused: id=%s reason=%s", path.name, error)
        return sorted(found, key=lambda info: (info.order, info.id), reverse=True)

    def prune(self, keep: int) -> tuple[str, ...]:
        """Remove all but `keep` snapshots and the current one, and what dead builds left; the removed ids.

        Whole ones are kept before damaged ones, then later ones before earlier ones.
        """
        doomed = tuple(identity for identity in self._by_worth(max(keep, 1)) if identity != self.current_id())
        for identity in doomed:
            discard(self.folder / identity)
        sweep(self.folder)
        return doomed

    def _by_worth(self, keep: int) -> tuple[str, ...]:
        """All ids behind the `keep` of most worth. No more are read whole than it takes to tell."""
        listed = [info.id for info in self.list()]
        unreadable = sorted({path.name for path in self.folder.glob("*") if ID.fullmatch(path.name)} - {*listed})
        if len(listed) + len(unreadable) <= keep:
            return ()
        whole = [*islice(filter(self._is_whole, listed), keep)]
        others = [identity for identity in listed if identity not in whole]
        return tuple([*whole, *others, *reversed(unreadable)][keep:])

    def _is_whole(self, identity: str) -> bool:
        try:
            Snapshot.open(self.folder / identity)
        except SnapshotError:
            return False
        return True

    def _point_at(self, identity: str) -> None:
        replace_text(self.folder / POINTER, identity)


def _info(manifest: Mapping[str, Any], current: str | None) -> SnapshotInfo:
    size = sum(entry["bytes"] for entry in manifest["arrays"].values())
    same = manifest["id"] == current
    return SnapshotInfo(manifest["id"], manifest["created_at"], manifest["order"], size, same, manifest["details"])
