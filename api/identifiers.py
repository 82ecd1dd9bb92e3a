"""Random identifiers without asking the system for each: randomness is fetched in blocks."""

import os

BLOCK = 4096
SEED_BITS = 53
"""A random seed survives a client whose numbers are doubles."""


class _Block:
    """Bytes of the system's generator, each given out once."""

    def __init__(self) -> None:
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Let the rest go: a child must not give out what its parent does."""
        self._bytes, self._next = b"", 0

    def take(self, count: int) -> bytes:
        """The next bytes, at most BLOCK."""
        end = self._next + count
        if end > len(self._bytes):
            self._bytes, end = os.urandom(BLOCK), count
        self._next = end
        return self._bytes[end - count : end]


_block = _Block()
_last_start = 0


def request_name() -> str:
    """32 hexadecimal digits."""
    return _block.take(16).hex()


def uuid4() -> str:
    """A random UUID in its usual spelling.

    >>> import uuid
    >>> uuid.UUID(uuid4()).version
    4
    """
    digits = _block.take(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def seed() -> int:
    """A random seed of `SEED_BITS` bits."""
    return int.from_bytes(_block.take(8)) >> (64 - SEED_BITS)


def session_start(seconds: float) -> int:
    """The microsecond a session starts, later than any that this process gave out: two never share a name.

    >>> session_start(1.5) < session_start(1.5)
    True
    """
    global _last_start
    _last_start = max(_last_start + 1, int(seconds * 1_000_000))
    return _last_start
