"""The buffer on the local disk: what embedded mode uses, where events go while Redis is away, and where the oldest go
when Redis holds too many (`tracking.relief`).

Every process appends to segments of its own in one folder, activities and decisions apart; a flusher of any process
reads them. How far a segment was stored is in `<segment>.offset`; a segment whose process is gone and which is stored
to its end is deleted. A full disk takes no such note: the flusher remembers what it stored, and only another process
repeats what no note tells. Deleting needs no room, so what is stored makes some.

Guarantees: what is pushed as durable is on the disk before `push` returns (one fsync for all that arrived meanwhile, in
a thread), so it survives a power cut. What is not (records of served feeds) is with the operating system: it survives
the process but not the machine. Losing one costs some learning, never what a client was promised.
"""

import asyncio
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from tracking import segments
from tracking.buffer import Batch, BufferFullError, BufferUnavailableError, Kind, Record, Waiting

log = logging.getLogger(__name__)

RECENT_IDS = 100_000
MEASURE_SECONDS = 0.5


class Spool:
    """Records in `folder`: about `cap_bytes` of them may wait, in segments of about `segment_bytes`."""

    durability = "local"
    expires_seconds: float | None = None

    def __init__(
        self, folder: Path, *, cap_bytes: int = 1 << 30, segment_bytes: int = 8 << 20, name: str = "local"
    ) -> None:
        self._folder, self._cap, self._segment_bytes, self.name = folder, cap_bytes, segment_bytes, name
        self._open: dict[tuple[Kind, bool], segments.Segment] = {}
        self._used, self._measured_at = 0, float("-inf")
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._queue: list[tuple[Kind, bytes, asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._progress: dict[Path, segments.Progress] = {}

    async def push(self, records: Sequence[Record], *, durable: bool = True) -> frozenset[str]:
        """Keep the records; see the module for what that guarantees and `Buffer.push` for the rest."""
        duplicates = frozenset(r.id for r in records if r.kind is Kind.ACTIVITY and r.id in self._recent)
        fresh = [record for record in records if record.id not in duplicates]
        self._require(sum(segments.HEADER.size + len(record.body) for record in fresh))
        for kind in Kind:
            frames = b"".join(segments.frame(record.body) for record in fresh if record.kind is kind)
            if not frames:
                continue
            if durable:
                await self._commit(kind, frames)
            else:
                self._append(kind, frames, durable=False)
            if kind is Kind.ACTIVITY:
                self._remember(record.id for record in fresh if record.kind is kind)
        return duplicates

    def keep(self, batch: Batch) -> None:
        """Make another buffer's batch durable here, in the caller's thread; then forget about segments in progress, so
        that a flusher may clear them. Raises BufferFullError or BufferUnavailableError.
        """
        try:
            for kind, bodies in ((Kind.ACTIVITY, batch.activities), (Kind.DECISION, batch.decisions)):
                if bodies:
                    self._append(kind, b"".join(map(segments.frame, bodies)), durable=True, since=batch.since)
        finally:
            self._let_go()

    def waiting(self) -> Waiting:
        """Counts of records not stored yet; every record is counted once, however often this is asked."""
        records = activities = size = 0
        oldest = now = time.time()
        for path in self._segments():
            with suppress(FileNotFoundError):  # a flusher finished it
                self._count(path)
            progress = self._known(path)
            left = progress.counted_records - progress.stored_records
            if left > 0:
                records += left
                size += progress.counted_offset - progress.stored_offset
                activities += left if path.name.startswith(Kind.ACTIVITY.value) else 0
                oldest = min(oldest, progress.since)
        return Waiting(records, activities, max(0.0, now - oldest), size)

    def take(self, limit: int) -> Batch | None:
        """The next records of the oldest segments; the same again until they are acknowledged."""
        found: dict[Kind, list[bytes]] = {Kind.ACTIVITY: [], Kind.DECISION: []}
        ends: dict[Path, tuple[int, int]] = {}
        for path in self._segments():
            bodies = found[Kind(path.name.split("-")[0])]
            room = limit - sum(map(len, found.values()))
            if room <= 0:
                break
            with suppress(FileNotFoundError):  # another flusher finished it
                self._read(path, bodies, room, ends)
        if not any(found.values()):
            return None
        since = min(self._known(path).since for path in ends)
        return Batch(tuple(found[Kind.ACTIVITY]), tuple(found[Kind.DECISION]), ends, since)

    def hold(self, *, older_seconds: float = 0.0) -> None:
        """Nothing to do: a spool's records do not expire."""

    def recover(self) -> None:
        """Nothing to do: what is not acknowledged is always handed out again."""

    def acknowledge(self, batch: Batch) -> None:
        """Note how far each segment of the batch is stored; delete those that are finished. Raises OSError when a note
        cannot be written; this spool hands out what comes behind all the same.
        """
        assert isinstance(batch.handle, dict)
        problems = []
        for path, (offset, records) in batch.handle.items():
            progress = self._known(path)
            progress.since = progress.end_at or progress.since
            progress.store(offset, records)
            try:
                if not self._finished(path, offset):
                    segments.note(path, offset, records)
            except FileNotFoundError:  # another flusher finished it
                self._progress.pop(path, None)
            except OSError as error:
                problems.append(error)
        if problems:
            raise problems[0]

    def release(self, batch: Batch) -> None:
        """Nothing to do: what is not acknowledged is handed out again."""

    async def close(self) -> None:
        """Finish the group in progress and let go of the segments."""
        if self._committing:
            await self._committing
        self._let_go()

    def _let_go(self) -> None:
        for segment in self._open.values():
            segment.close()
        self._open.clear()

    async def _commit(self, kind: Kind, frames: bytes) -> None:
        """Wait until these frames are on the disk, together with all that arrived while the disk was busy."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((kind, frames, done))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_groups())
        await done

    async def _commit_groups(self) -> None:
        while self._queue:
            group, self._queue = self._queue, []
            problem: Exception | None = None
            try:
                for kind in Kind:
                    if frames := b"".join(frames for of_kind, frames, _ in group if of_kind is kind):
                        await asyncio.to_thread(self._append, kind, frames, durable=True)
            except (BufferFullError, BufferUnavailableError) as error:
                problem = error
            for _, _, done in group:
                if not done.done():  # its client may have gone
                    done.set_exception(problem) if problem else done.set_result(None)

    def _append(self, kind: Kind, frames: bytes, *, durable: bool, since: float = 0.0) -> None:
        while not self._written(kind, frames, durable, since):
            log.error("spool: a segment in %s was deleted while in use; a new one is begun", self._folder)

    def _written(self, kind: Kind, frames: bytes, durable: bool, since: float) -> bool:
        """Append to a segment; False when somebody deleted its file, so that nobody would ever read it."""
        segment, size = None, 0
        try:
            segment = self._segment(kind, durable, len(frames), since)
            size = segment.size
            segment.append(frames)
            if durable:
                segment.sync()
            if segment.deleted:
                self._open.pop((kind, durable)).close()
                return False
        except OSError as error:
            if segment and not segment.take_back(size):
                del self._open[kind, durable]
            raise BufferUnavailableError(f"spool: {error}") from error
        self._used += len(frames)
        return True

    def _segment(self, kind: Kind, durable: bool, more: int, since: float) -> segments.Segment:
        """The segment to append to. What waits for the disk and what does not never share one."""
        current = self._open.get((kind, durable))
        if current is None or current.size >= self._segment_bytes:
            self._measure_again()
            if current:
                self._open.pop((kind, durable)).close()
            begun = int(since * 1e9) or time.time_ns()
            name = f"{kind.value}-{begun:020d}-{os.getpid()}-{uuid4().hex[:8]}.log"
            current = self._open[kind, durable] = segments.Segment(self._folder / name)
        self._require(more)
        return current

    def _require(self, more: int) -> None:
        """Raise BufferFullError when there is no room for so many bytes."""
        if self._used + more > self._cap:
            self._measure_again()
        if self._used + more > self._cap:
            raise BufferFullError(f"spool: {self._folder} holds {self._used} of {self._cap} bytes")

    def _measure_again(self) -> None:
        """How many bytes wait in the folder, other processes' among them: what is stored does not count. Looks at every
        file, on the event loop too, so it was done a moment ago or is done now.
        """
        if time.monotonic() - self._measured_at <= MEASURE_SECONDS:
            return
        used = 0
        for path in self._segments():
            with suppress(FileNotFoundError):
                used += max(0, path.stat().st_size - segments.noted(path)[0])
        self._used, self._measured_at = used, time.monotonic()

    def _remember(self, ids: Iterator[str]) -> None:
        self._recent.update(dict.fromkeys(ids))
        while len(self._recent) > RECENT_IDS:
            self._recent.popitem(last=False)

    def _segments(self) -> list[Path]:
        """Segments, oldest first."""
        found = self._folder.glob("*.log") if self._folder.is_dir() else ()
        return sorted(found, key=lambda path: path.name.split("-")[1])

    def _known(self, path: Path) -> segments.Progress:
        """What is known of a segment, with the offset read anew: another flusher may have moved it."""
        progress = self._progress.setdefault(path, segments.Progress(since=int(path.name.split("-")[1]) / 1e9))
        progress.store(*segments.noted(path))
        return progress

    def _count(self, path: Path) -> None:
        progress = self._known(path)
        if progress.counted_records == progress.stored_records and progress.stored_records:
            progress.since = time.time()
        for _, offset in segments.read(path, progress.counted_offset):
            progress.counted_offset, progress.counted_records = offset, progress.counted_records + 1

    def _read(self, path: Path, bodies: list[bytes], room: int, ends: dict[Path, tuple[int, int]]) -> None:
        """Add at most `room` records to `bodies` and note where they end; clear away what is finished."""
        gone = segments.abandoned(path)
        progress = self._known(path)
        offset, records = progress.stored_offset, progress.stored_records
        progress.end_at = time.time()
        for body, end in segments.read(path, offset):
            bodies.append(body)
            offset, records, room = end, records + 1, room - 1
            if room == 0:
                progress.end_at = None
                break
        if offset > progress.stored_offset:
            ends[path] = (offset, records)
        elif gone:
            self._clear(path, offset)

    def _finished(self, path: Path, offset: int) -> bool:
        """Whether nobody appends to the segment and it ends here; if so, it is deleted."""
        finished = segments.abandoned(path) and path.stat().st_size <= offset
        if finished:
            self._clear(path, offset)
        return finished

    def _clear(self, path: Path, offset: int) -> None:
        """Delete a segment that is stored to its end; keep what cannot be read beside it, for people."""
        torn = path.stat().st_size - offset  # less than none where the writer took back what was read already
        if torn > 0:
            log.warning("spool segment %s ends in %d bytes that are no whole record; kept as .torn", path.name, torn)
            path.rename(path.with_suffix(".torn"))
        path.unlink(missing_ok=True)
        for left in self._folder.glob(f"{path.stem}.*"):  # its note, and those that a crash left half written
            if left.suffix != ".torn":
                left.unlink(missing_ok=True)
        self._progress.pop(path, None)
