"""One at a time by name: pages of a session wait for each other."""

import asyncio
from collections import deque


class Turns:
    """Who asks first goes first; a name that nobody uses leaves nothing behind. Belongs to one event loop.

    >>> turns = Turns()
    >>> turns.begin("7:1"), turns.begin("7:1"), turns.begin("7:2")
    (True, False, True)
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]] | None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, name: str) -> bool:
        """Take the turn if nobody has it: then `leave` must follow. Else `wait` for it."""
        if name in self._waiting:
            return False
        self._waiting[name] = None
        return True

    async def wait(self, name: str) -> None:
        """Until it is this caller's turn, which `leave` must follow. Whoever is cancelled meanwhile has no turn."""
        queue = self._waiting[name] = self._waiting[name] or deque()
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it had come just before
                self.leave(name)
            raise

    def leave(self, name: str) -> None:
        """Let the next one begin."""
        queue = self._waiting[name]
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[name]
