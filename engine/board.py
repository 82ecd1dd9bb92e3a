"""The state of one feed in the making: what is refused, what was placed, and which rules are in force at this slot."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine import randomness
from engine.config import EngineConfig
from engine.feed_types import FeedRequest, Ids
from engine.kernel.base import EVERY_FLAG, Floats, Kernel, Ranked, Rows, Viewer
from engine.rules.base import Asked
from engine.rules.creator_window import CreatorWindow
from engine.rules.table import FLAGS, Rung, ladder, refused

# A list is ranked this much deeper than one slot looks: for what earlier slots and the creators' window take away.
SPARE_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Allowed:
    """A pool's best candidates that no rule refuses at this slot, best first."""

    rows: Rows
    scores: Floats


class Board:
    """Filters act here, before any choice: pools only ever see candidates that no rule refuses.

    Parameters
    ----------
    kernel : scores the catalogue
    config : the engine's numbers
    request : whom the feed is for

    `position` is the slot being filled, from 0; `rung` the step of the ladder in force. `close` must follow.
    """

    def __init__(self, kernel: Kernel, config: EngineConfig, request: FeedRequest) -> None:
        self.world, self.config, self.request = kernel.world, config, request
        self.sheet = kernel.sheet(Viewer.of(kernel.world, request.user_id, request.seed))
        self.flow_flags: NDArray[np.uint8] = np.zeros(kernel.world.flows, dtype=np.uint8)
        self.ladder = ladder(config.creator_window)
        self.rung: Rung = self.ladder[0]
        self.position = 0
        self.open_videos = kernel.world.videos
        carried = kernel.world.creator_rows(carried_creators(config, request)).tolist()
        self.creator_window = CreatorWindow(self.sheet.creator_last, config.creator_window, carried)
        self.lists: dict[tuple[str, int], Ranked] = {}
        for kind, flag, rows in refused(Asked.of(request, kernel.world)):
            if kind == "flow":
                self.flow_flags[rows] |= np.uint8(flag)
            else:
                self._refuse(rows, flag)

    def close(self) -> None:
        """Give the sheet back. Call once, whatever happened."""
        self.sheet.wipe()

    def draw(self, stream: str, attempt: int = 0) -> float:
        """A number in [0, 1) for this slot."""
        return randomness.uniform(self.request.seed, stream, (self.position << 32) + attempt)

    def draws(self, stream: str, count: int) -> NDArray[np.float64]:
        """`count` numbers in [0, 1) for this slot, (count,)."""
        return randomness.uniforms(self.request.seed, stream, self.position << 32, count)

    def rank(self, pools: list[str], limits: list[int]) -> None:
        """Rank these pools, deep enough for `limits` candidates a slot in the usual case."""
        depths = [limit + limit // 4 + self.request.size + SPARE_DEPTH for limit in limits]
        ranked = self.sheet.rank(pools, depths, self.rung.mask)
        self.lists.update(zip([(pool, self.rung.mask) for pool in pools], ranked, strict=True))

    def allowed(self, pool: str, limit: int) -> Allowed:
        """The pool's first `limit` candidates that no rule refuses at this slot; ranks deeper when too few are left."""
        key = (pool, self.rung.mask)
        if key not in self.lists:
            self.rank([pool], [limit])
        while True:
            ranked = self.lists[key]
            found = self.sheet.allowed(ranked, limit, self.rung.mask, self.position, self.rung.window)
            if len(found) == limit or ranked.complete:
                return Allowed(ranked.rows[found], ranked.scores[found])
            (self.lists[key],) = self.sheet.rank([pool], [4 * len(ranked.rows)], self.rung.mask)

    def allowed_flows(self) -> Rows:
        """Rows of the flows that no rule refuses at this slot."""
        world, rung = self.world, self.rung
        apart = self.position - self.creator_window.last[world.flow_creator] >= rung.window
        return np.flatnonzero(((self.flow_flags & rung.mask) == 0) & apart).astype(np.int32)

    def refuses(self, row: int) -> bool:
        """Whether any rule refuses this video at this slot."""
        creator = int(self.world.video_creator[row])
        flagged = int(self.sheet.flags[row]) & self.rung.mask
        return bool(flagged) or self.creator_window.refuses(creator, self.position, self.rung.window)

    def eligible_videos(self) -> int:
        """How many videos no rule refuses at this slot."""
        near = self.creator_window.within(self.position, self.rung.window)
        if self.rung.mask == EVERY_FLAG:
            clear = self.open_videos
        else:
            clear = int(np.count_nonzero((self.sheet.flags & self.rung.mask) == 0))
        return clear - self.sheet.open_rows(near, self.rung.mask)

    def eligible_rows(self) -> Rows:
        """Rows of the videos that no rule refuses at this slot, ascending. Reads the whole catalogue."""
        apart = self.position - self.creator_window.last[self.world.video_creator] >= self.rung.window
        return np.flatnonzero(((self.sheet.flags & self.rung.mask) == 0) & apart).astype(np.int32)

    def is_watched(self, kind: str, row: int) -> bool:
        """Whether the viewer has watched this video or flow."""
        flags = self.flow_flags if kind == "flow" else self.sheet.flags
        return bool(flags[row] & FLAGS["watched"])

    def place(self, kind: str, row: int) -> None:
        """Put an item at this slot and move to the next."""
        if kind == "flow":
            self.flow_flags[row] |= np.uint8(FLAGS["no_repeat"])
            creator = int(self.world.flow_creator[row])
        else:
            self._refuse(np.array([row], dtype=np.int32), FLAGS["no_repeat"])
            creator = int(self.world.video_creator[row])
        self.creator_window.place(creator, self.position)
        self.position += 1

    def _refuse(self, rows: Rows, flag: int) -> None:
        if len(rows):
            self.open_videos -= self.sheet.mark(rows, flag)


def carried_creators(config: EngineConfig, request: FeedRequest) -> Ids:
    """The creators of the session's last items that the window reaches, oldest first."""
    last = request.seen.last_creators
    return last[max(0, len(last) + 1 - config.creator_window) :]
