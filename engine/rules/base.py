"""What a rule is: it refuses, and never scores. Most name the rows they refuse before the first slot is filled."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.feed_types import FeedRequest
from engine.world import World

Rows = NDArray[np.int32]


def nobody() -> Rows:
    """No rows."""
    return np.zeros(0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Rows of videos and of flows that a rule keeps out."""

    videos: Rows = field(default_factory=nobody)
    flows: Rows = field(default_factory=nobody)


class Rule(Protocol):
    """One rule. `name` is what the documentation and a relaxation call it.

    `relaxes` says whether the ladder may lift it; an unliftable rule holds in every feed.
    """

    name: str
    relaxes: bool

    def refuse(self, request: FeedRequest, world: World) -> Refusal:
        """What this rule keeps out of this request's feed, known before its first slot."""
