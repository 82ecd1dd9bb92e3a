"""What a rule is: it refuses, and never scores. It names what it refuses before the first slot is filled, as data: the
kernel follows that in C, `engine.rules.table.refused` in plain Python.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.feed_types import FeedRequest, Ids
from engine.world import NO_ROWS, Array, World

Rows = NDArray[np.int32]
NAMED = ("excluded", "served", "watched", "hidden")
"""The ids that a request brings, each of videos and of flows: `excluded_videos`, `excluded_flows`, ..."""


class Asked(NamedTuple):
    """A request and whose it is: the viewer's row among users and among creators, -1 where they are not."""

    request: FeedRequest
    world: World
    user: int
    creator: int

    @classmethod
    def of(cls, request: FeedRequest, world: World) -> "Asked":
        """Look the viewer up."""
        return cls(request, world, world.user_row(request.user_id), world.creator_row(request.user_id))

    def ids(self, named: str, kind: str) -> Ids:
        """The ids of `kind` ("video" or "flow") that the request brings under a name of `NAMED`."""
        found: Ids = getattr(self.request if named == "excluded" else self.request.seen, f"{named}_{kind}s")
        return found


class Listed(NamedTuple):
    """Rows that the snapshot lists for a viewer, as a user or as a creator: `rows[start[i]:start[i + 1]]` for row i.

    Without `start`, `rows` is a column of flows that says whose each is.
    """

    kind: str  # "video" or "flow"
    of: str  # "user" or "creator"
    start: Array | None
    rows: Rows

    def found(self, asked: Asked) -> Rows:
        """The rows for this viewer."""
        row = asked.user if self.of == "user" else asked.creator
        if row < 0:
            return NO_ROWS
        if self.start is None:
            return np.flatnonzero(self.rows == row).astype(np.int32)
        return self.rows[self.start[row] : self.start[row + 1]]


class Rule(Protocol):
    """One rule. `name` is what the documentation and a relaxation call it.

    `relaxes` says whether the ladder may lift it; an unliftable rule holds in every feed. `named` is the name of
    `NAMED` whose ids it refuses, if any; each name belongs to one rule at most.
    """

    name: str
    relaxes: bool
    named: str | None

    def listed(self, world: World) -> Sequence[Listed]:
        """What the rule refuses of what the snapshot lists for the viewer."""
