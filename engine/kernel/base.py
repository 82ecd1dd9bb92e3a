"""What the engine asks of a scoring kernel, and the data that passes between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine import randomness
from engine.bandit.score_table import Formula
from engine.feed_types import Drafted, FeedRequest
from engine.rules.base import Listed
from engine.world import World

Rows = NDArray[np.int32]
Floats = NDArray[np.float32]
EVERY_FLAG = 0xFF
NEVER = -(1 << 30)


@dataclass(frozen=True, slots=True)
class Viewer:
    """The viewer of one request: row (-1 unknown), place codes, term rows, and the keys drawn from the seed."""

    user: int
    city: int
    country: int
    terms: Rows
    key_a: int
    key_b: int
    tie_key: int

    @classmethod
    def of(cls, world: World, user_id: int, seed: int) -> "Viewer":
        """Look the viewer up; one the snapshot does not know has no place, terms, friends or embedding."""
        keys = [randomness.bits(seed, stream) & 0xFFFFFFFF for stream in ("feature_a", "feature_b", "tie")]
        user = world.user_row(user_id)
        if user < 0:
            return cls(-1, -1, -1, np.zeros(0, dtype=np.int32), *keys)
        terms = world.user_term[world.user_term_start[user] : world.user_term_start[user + 1]]
        return cls(user, int(world.user_city[user]), int(world.user_country[user]), terms, *keys)


@dataclass(frozen=True, slots=True)
class Ranked:
    """The best rows of one table, best first. `complete` says that no further row has a finite score."""

    rows: Rows
    scores: Floats
    complete: bool


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A pool as a draft sees it: how it picks ("flows" and "explore" beside `engine.pools.picks.Pick`), among how many.

    `formula` is None where no bandit scores it.
    """

    pick: str
    limit: int
    formula: Formula | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """What holds for every draft of an engine.

    `sources` are those of `POOL_NAMES`, None for a pool with a way of its own; `spare` candidates are ranked beyond
    what one slot looks at and a feed takes away. `named_flags` are the flags of the rules that refuse the ids of
    `engine.rules.base.NAMED`, 0 where none does; `lists` are what rules refuse of what the snapshot
    lists, behind their flags.
    """

    pattern: str
    sources: tuple[Source | None, ...]
    window: int
    spare: int
    repeat_flag: int
    named_flags: tuple[int, ...]
    lists: tuple[tuple[int, Listed], ...]
    explore_rate: float
    flow_random: float
    flow_bonus: float


class Drafter(Protocol):
    """Fills whole feeds, the usual ones, in one call."""

    def draft(self, request: FeedRequest) -> Drafted | None:
        """What `engine.assemble` would give while no rule has to give way; None where one would, or where it cannot
        tell."""


class Sheet(Protocol):
    """What one feed writes on: which rows are refused, where each creator was last placed. Used by one feed at a time.

    `flags` (N,) uint8: bit per rule. `creator_last` (C,) int32: last position, `NEVER` before. `wipe` must follow.
    """

    flags: NDArray[np.uint8]
    creator_last: NDArray[np.int32]

    def mark(self, rows: Rows, flag: int) -> int:
        """Set a flag on rows; returns how many had no flag before."""

    def rank(self, pools: Sequence[str], depths: Sequence[int], mask: int) -> list[Ranked]:
        """Per pool its `depth` best rows whose flags are clear under `mask`; ties break by the viewer's tie key."""

    def allowed(self, ranked: Ranked, limit: int, mask: int, position: int, window: int) -> Rows:
        """Indices of the first `limit` ranked rows that are clear and whose creator is `window` positions away."""

    def open_rows(self, creators: Rows, mask: int) -> int:
        """How many rows of these creators are clear under `mask`."""

    def pair_features(self, rows: Rows) -> Floats:
        """The pair features of rows, (len(rows), 5), in the order of `engine.features.PAIR_COLUMNS`."""

    def wipe(self) -> None:
        """Forget this feed: everything is as before `Kernel.sheet`."""


class Kernel(Protocol):
    """Scores one world with one table a pool. `compiled` (C) and `reference` (numpy) are equal on every pick."""

    name: str
    world: World

    def sheet(self, viewer: Viewer) -> Sheet:
        """A clean sheet for one feed of this viewer."""

    def drafter(self, standing: Standing) -> Drafter | None:
        """Fills feeds in one call; None when this kernel leaves that to `engine.assemble`."""
