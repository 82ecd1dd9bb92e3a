"""What a rule is: it refuses, and never scores. Most name the rows they refuse before the first slot is filled."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.feed_types import FeedRequest, Ids
from engine.world import NO_ROWS, World

Rows = NDArray[np.int32]


class Refusal(NamedTuple):
    """What a rule keeps out: ids, which the snapshot may not know, and rows of what it lists itself."""

    videos: Ids = ()
    flows: Ids = ()
    video_rows: Rows = NO_ROWS
    flow_rows: Rows = NO_ROWS


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


class Rule(Protocol):
    """One rule. `name` is what the documentation and a relaxation call it.

    `relaxes` says whether the ladder may lift it; an unliftable rule holds in every feed.
    """

    name: str
    relaxes: bool

    def refuse(self, asked: Asked) -> Refusal:
        """What this rule keeps out of this request's feed, known before its first slot."""
