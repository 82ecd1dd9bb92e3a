"""No creator twice within a window of consecutive items, across the pages of a session."""

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.rules.base import Rows


class CreatorWindow:
    """Remembers where each creator was placed last.

    Positions count from 0 at the feed's first item; items of the session's earlier feeds have -1, -2, and so on.
    Two items of one creator break a window w when they are less than w positions apart. The ladder shrinks the
    window from w to w/2, w/4 and 1, which allows everything.
    """

    name = "creator_window"

    def __init__(self, last: NDArray[np.int32], window: int, carried: Sequence[int]) -> None:
        """`last` (C,) int32 is the sheet's array; `carried` are creator rows of earlier items, oldest first, -1 for
        creators that the snapshot does not know."""
        self.last = last
        self.recent: deque[tuple[int, int]] = deque(maxlen=max(1, window - 1))
        for position, creator in enumerate(carried, start=-len(carried)):
            if creator >= 0:
                self.place(creator, position)

    def place(self, creator: int, position: int) -> None:
        """The creator has the item at this position."""
        self.last[creator] = position
        self.recent.append((creator, position))

    def refuses(self, creator: int, position: int, window: int) -> bool:
        """Whether an item of this creator at this position would break a window of this width."""
        return bool(position - self.last[creator] < window)

    def within(self, position: int, window: int) -> Rows:
        """The different creators refused at this position."""
        near = {creator for creator, at in self.recent if position - at < window}
        return np.fromiter(near, dtype=np.int32, count=len(near))


def widths(window: int) -> tuple[int, ...]:
    """The windows of the ladder, widest first.

    >>> widths(12)
    (12, 6, 3, 1)
    """
    steps = (window, window // 2, window // 4, 1)
    return tuple(dict.fromkeys(max(1, step) for step in steps))
