"""Bounded memory: while the database is away, the oldest that waits in Redis moves to this machine's disk.

Moved is copied, then forgotten, so a crash in between leaves it in both places; unique ids make that harmless.
"""

import logging

from tracking.buffer import Buffer, BufferFullError, BufferUnavailableError
from tracking.spool import Spool

log = logging.getLogger(__name__)

BATCH = 5000


class Relief:
    """Keeps every buffer below `most_bytes` by moving the oldest into `spill`."""

    def __init__(self, spill: Spool, most_bytes: int) -> None:
        self.spill, self._most_bytes, self._told_full = spill, most_bytes, False

    def relieve(self, buffer: Buffer) -> int:
        """Records moved; none when the spill is full, which is logged once. Raises BufferUnavailableError."""
        moved = 0
        excess = buffer.waiting().bytes - self._most_bytes
        while excess > 0 and (batch := buffer.take(BATCH)):
            try:
                self.spill.keep(batch)
            except BufferFullError as error:
                buffer.release(batch)
                self._tell_full(error)
                break
            except BufferUnavailableError:
                buffer.release(batch)
                raise
            buffer.acknowledge(batch)
            moved += len(batch)
            excess -= sum(map(len, batch.activities)) + sum(map(len, batch.decisions))
        if moved:
            log.warning("the database is away: the oldest %d records moved from %s to disk", moved, buffer.name)
        return moved

    def _tell_full(self, error: BufferFullError) -> None:
        if not self._told_full:
            log.error("no more room to move waiting activity to disk: %s", error)
        self._told_full = True
