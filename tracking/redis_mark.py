"""Has Redis been emptied? A key that never expires tells it by being gone, or another than the one before.

FLUSHALL, a restart without its append-only file and an empty replica in its place all look alike from outside: Redis
answers and has nothing. What waited there is lost, and nobody else would say so.
"""

from uuid import uuid4

from tracking.redis_buffer import told
from tracking.redis_client import RedisConfig, patient_client

MARK = "activity_mark"


class RedisMark:
    """Looks at the mark, and leaves one where there is none. Belongs to one thread."""

    def __init__(self, config: RedisConfig) -> None:
        self._client, self._known = patient_client(config), b""

    def gone(self) -> bool:
        """Whether Redis was emptied since the last look; the first look cannot tell. Raises BufferUnavailableError."""
        with told():
            self._client.set(MARK, uuid4().hex, nx=True)
            found = self._client.get(MARK)
        before, self._known = self._known, found if isinstance(found, bytes) else b""
        return before not in (b"", self._known)
