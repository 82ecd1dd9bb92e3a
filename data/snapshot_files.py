"""A snapshot: a folder of arrays that never changes once it is there. Nothing but numpy and the standard library.

    <folder>/<id>/<name>.npy         one file an array
    <folder>/<id>/manifest.json      format, id, order, details, and each file's type, shape, size and SHA-256
    <folder>/<id>/manifest.sha256    the manifest's own SHA-256, as `sha256sum -c` reads it
    <folder>/ORDER                   number of the latest snapshot written, so that no id ever comes again

It is written under another name, flushed to disk and renamed, so that a folder with an id as its name is complete.
"""

import hashlib
import json
import math
import mmap
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

FORMAT = 2
COUNTER = "ORDER"
HEAD = 10  # bytes of an .npy file before the words of its head, whose length the last two are
ID = re.compile(r"\d{8}T\d{9}-[0-9a-f]{8}(-(?P<order>\d+))?")
NAME = re.compile(r"[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*")
Arrays = Mapping[str, NDArray[Any]]


class SnapshotError(Exception):
    """A snapshot that cannot be written or must not be used; the message names the file."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An open snapshot. `arrays` are read-only and mapped from the files: workers of one machine share the memory."""

    id: str
    path: Path
    details: Mapping[str, Any]
    arrays: Arrays

    @classmethod
    def open(cls, path: Path, verify: bool = True) -> "Snapshot":
        """Map a snapshot's arrays; with `verify` every byte is compared with the checksums first.

        Raises `SnapshotError` naming the file that is missing, cut, changed or of an unknown format.
        """
        manifest = read_manifest(path)
        arrays = {}
        for name, entry in manifest["arrays"].items():
            file = path / f"{name}.npy"
            with naming(file), file.open("rb", buffering=0) as stream:
                if os.fstat(stream.fileno()).st_size != entry["bytes"] or (verify and _sum(stream) != entry["sha256"]):
                    raise SnapshotError(f"{file} is damaged: its size or checksum is not the manifest's")
                arrays[name] = _mapped(file, stream, entry)
        return cls(manifest["id"], path, MappingProxyType(manifest["details"]), MappingProxyType(arrays))


def read_manifest(path: Path) -> dict[str, Any]:
    """The checked manifest of a snapshot's folder; `SnapshotError` names the file that is wrong."""
    file, sums = path / "manifest.json", path / "manifest.sha256"
    with naming(file):
        content = file.read_bytes()
    with naming(sums):
        if sums.read_bytes() != _sum_line(content):
            raise SnapshotError(f"{file} is damaged: {sums.name} has another checksum")
    try:
        manifest = dict(json.loads(content))
    except (ValueError, TypeError):
        raise SnapshotError(f"{file} is damaged: it is no JSON object") from None
    if manifest.get("format") != FORMAT:
        raise SnapshotError(f"{file} has format {manifest.get('format')}, this version reads {FORMAT}")
    if missing := {"id", "arrays", "details", "order", "created_at"} - {*manifest}:
        raise SnapshotError(f"{file} is damaged: it has no {', '.join(sorted(missing))}")
    return manifest


def write(folder: Path, arrays: Arrays, details: Mapping[str, object], name: str | None = None) -> str:
    """Write a new snapshot below `folder` and give its id.

    `details` must be plain JSON values; its `as_of` (ISO 8601) gives the id its time, the content the rest. Arrays that
    are known by what they were computed from get their id as `name`; it must be free, and takes no number. They are not
    flushed to disk: what is soon replaced never gets there, and after a power cut the checksums tell what is missing.
    Arrays of Python objects are refused (`ValueError`). Raises `SnapshotError` naming the file when the disk refuses;
    nothing is left behind then.
    """
    for array_name, array in arrays.items():
        if not NAME.fullmatch(array_name) or array.dtype.hasobject:
            raise ValueError(f"array {array_name!r} of type {array.dtype} cannot be in a snapshot")
    flush = name is None
    building = folder / f"building.tmp-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        with naming(building):
            building.mkdir(parents=True)
        entries = {one: _write_array(building / f"{one}.npy", array, flush) for one, array in arrays.items()}
        order = _next_order(folder) if flush else 0
        identity = name or _identity(order, entries, details)
        manifest = {"format": FORMAT, "id": identity, "order": order, "created_at": details["as_of"]}
        content = json.dumps(manifest | {"details": dict(details), "arrays": entries}, indent=1).encode()
        _write_bytes(building / "manifest.json", content, flush)
        _write_bytes(building / "manifest.sha256", _sum_line(content), flush)
        with naming(folder / identity):
            if flush:
                sync_folder(building)
            building.rename(folder / identity)
            if flush:
                sync_folder(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return identity


def discard(path: Path) -> None:
    """Remove a snapshot's folder: under its name it is there whole or not at all. Raises OSError."""
    gone = path.with_name(f"gone.tmp-{os.getpid()}-{path.name}")
    path.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what processes that have died were writing or removing."""
    for path in folder.glob("*.tmp-*"):
        process = path.name.partition(".tmp-")[2].split("-")[0]
        if not (process.isdigit() and Path(f"/proc/{process}").exists()):
            shutil.rmtree(path, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Turn what the system says of a file into a `SnapshotError` that names it."""
    try:
        yield
    except OSError as error:
        raise SnapshotError(f"{file}: {error.strerror or error}") from error


def replace_text(file: Path, text: str) -> None:
    """Put a line into a small file at once: whoever reads it sees the old text or the new one."""
    fresh = file.with_name(f"{file.name}.new-{os.getpid()}")
    with naming(file):
        with fresh.open("w", encoding="ascii") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(file)
        sync_folder(file.parent)


def _identity(order: int, entries: Mapping[str, Mapping[str, Any]], details: Mapping[str, object]) -> str:
    """Time of the data, 8 digits of the content's checksum, and the order of writing, which makes it unique."""
    moment = datetime.fromisoformat(str(details["as_of"])).astimezone(UTC)
    content = json.dumps([entries, dict(details)], sort_keys=True).encode()
    digits = hashlib.sha256(content).hexdigest()[:8]
    return f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}-{digits}-{order}"


def _next_order(folder: Path) -> int:
    """Take the next number, which no clock can confuse and no pruning gives out again."""
    found = [0]
    with suppress(OSError, ValueError):  # absent or damaged: the folders know it too
        found.append(int((folder / COUNTER).read_text(encoding="ascii")))
    for path in folder.iterdir():
        if named := ID.fullmatch(path.name):
            found.append(int(named["order"] or 0))
            with suppress(SnapshotError):  # a damaged one has no say but its name
                found.append(int(read_manifest(path)["order"]))
    replace_text(folder / COUNTER, str(max(found) + 1))
    return max(found) + 1


def _write_array(file: Path, array: NDArray[Any], flush: bool) -> dict[str, Any]:
    with _written(file, flush) as stream:
        target = _Summed(stream)
        np.lib.format.write_array(target, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
    return {
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "bytes": target.size,
        "sha256": target.sum.hexdigest(),
    }


class _Summed:
    """A file that sums what is written. To a bare file numpy writes in a way that loses the reason of a failure."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.sum, self.size = stream, hashlib.sha256(), 0

    def write(self, content: bytes) -> int:
        """Write all of it."""
        self._stream.write(content)
        self.sum.update(content)
        self.size += len(content)
        return len(content)


def _write_bytes(file: Path, content: bytes, flush: bool) -> None:
    with _written(file, flush) as stream:
        stream.write(content)


@contextmanager
def _written(file: Path, flush: bool) -> Iterator[BinaryIO]:
    """A new file; with `flush` it is on the disk at the end."""
    with naming(file), file.open("wb") as stream:
        yield stream
        stream.flush()
        if flush:
            os.fsync(stream.fileno())


def _sum(stream: FileIO) -> str:
    return hashlib.file_digest(stream, "sha256").hexdigest()


def _sum_line(manifest: bytes) -> bytes:
    return f"{hashlib.sha256(manifest).hexdigest()}  manifest.json\n".encode()


def _mapped(file: Path, stream: FileIO, entry: Mapping[str, Any]) -> NDArray[Any]:
    """The array of a file, mapped and read-only. Raises `SnapshotError` when it cannot be what the manifest says.

    The manifest knows what the file's head says, and a worker opens some 80 files at each switch. The way of numpy,
    which parses every head, takes twice as long, while requests wait for the interpreter.
    """
    try:
        kind, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
        content = mmap.mmap(stream.fileno(), entry["bytes"], access=mmap.ACCESS_READ)
        start = HEAD + int.from_bytes(content[HEAD - 2 : HEAD], "little")  # as the format of .npy has it
        if kind.hasobject or start + math.prod(shape) * kind.itemsize != entry["bytes"]:
            raise ValueError(f"{shape} of {kind} in {entry['bytes']} bytes")
        return np.ndarray(shape, kind, content, start)
    except (KeyError, TypeError, ValueError) as error:
        raise SnapshotError(f"{file} is not what the manifest says: {error}") from error
