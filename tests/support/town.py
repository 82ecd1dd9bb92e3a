"""A town whose viewers' tastes are known: the seeded catalogue with a hidden chance that a viewer cares for a video.

The chance is logistic in five things, most of which features show only in part, as in life:

* interest (2.0): the video is of the viewer's own kind (1) or of a second one that no table knows (0.5);
* charm (1.4 normal deviations): what makes a video good and stands in no column; only viewers' acts show it;
* quality (0.5 a deviation): what drives the catalogue's ratings;
* place (0.8): made in the viewer's city (1) or country (0.5);
* friends (1.2): made by someone the viewer is connected to.

On average one video of five is cared for. A viewer who cares watches most of it, often likes it, at times rates it,
shares it or connects; one who does not skips it or watches a little. After each item they leave with chance 0.07.
A quarter of the 3,000 videos is younger than 45 days, so that the pool of new videos has a choice to make: where it
holds fewer than TOP_CANDIDATES, all of them are equally likely whatever was learnt.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from data import demo
from data.checks import clean
from data.snapshot import SnapshotStore
from data.sources.embedded import EmbeddedSource
from engine.build.build import build
from engine.config import EngineConfig
from engine.feed_types import Feed
from engine.world import World
from tracking.events import Event
from tracking.rewards import REWARDS

TODAY = datetime(2026, 6, 1, tzinfo=UTC)
SEED = 7
SIZES = {"VIDEOS": 3000, "FRESH_SHARE": 0.25, "INTERACTIONS": 30_000, "USERS": 1000, "CREATORS": 400}
LIKES, RATES, CONNECTS, SHARES = 0.6, 0.35, 0.2, 0.2
LEAVES = 0.07
LENGTH, FULL = 30.0, 24.0  # seconds of every video, and how many of them are a full watch


class Town:
    """The town's snapshot (`world`) and what its viewers do with a feed. Its catalogue is made in `folder`."""

    def __init__(self, folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patched:
            for name, value in SIZES.items():
                patched.setattr(demo, name, value)
            source = EmbeddedSource(folder / "catalogue.sqlite", seed=SEED, clock=lambda: TODAY)
            store = SnapshotStore(folder / "snapshots")
            store.publish(*build(clean(source.load()), EngineConfig()))
            made = demo._Town(SEED, TODAY)
        self.world = World.of(store.open_current())
        random = np.random.default_rng(SEED)
        video = np.clip(self.world.video_id - 1, 0, SIZES["VIDEOS"] - 1).astype(np.int64)
        self._kind = made.cluster_of_video[video]
        self._first = made.cluster_of_user
        self._second = random.integers(0, len(demo.CLUSTERS), len(self._first))
        charm, quality = random.normal(size=len(video)), (made.quality[video] - 4.0) / 0.55
        self._level = -2.1 + 1.4 * charm + 0.5 * quality
        self._chances: dict[int, np.ndarray] = {}

    def viewers(self, count: int) -> np.ndarray:
        """User ids of `count` viewers."""
        known = self.world.user_id[self.world.user_id <= SIZES["USERS"]]
        return np.sort(np.random.default_rng(SEED).choice(known, count, replace=False))

    def chances(self, user: int) -> np.ndarray:
        """The chance (N,) that this viewer cares for each video."""
        if user not in self._chances:
            world, row = self.world, self.world.user_row(user)
            interest = np.maximum(self._kind == self._first[user], 0.5 * (self._kind == self._second[user]))
            place = 0.5 * (world.video_country == world.user_country[row]) * (world.user_country[row] >= 0)
            place = np.where((world.video_city == world.user_city[row]) & (world.user_city[row] >= 0), 1.0, place)
            friends = world.user_friend[world.user_friend_start[row] : world.user_friend_start[row + 1]]
            known = np.isin(world.video_creator, world.user_creator[friends][world.user_creator[friends] >= 0])
            self._chances[user] = 1.0 / (1.0 + np.exp(-(self._level + 2.0 * interest + 0.8 * place + 1.2 * known)))
        return self._chances[user]

    def rewards(self, user: int) -> np.ndarray:
        """The reward (N,) that each video can be expected to earn with this viewer, once it is examined."""
        cares = REWARDS["watch"] * 0.8 + REWARDS["like"] * LIKES + REWARDS["rating"] * RATES * 0.875
        cares += REWARDS["connection"] * CONNECTS + REWARDS["share"] * SHARES
        rest = REWARDS["watch"] * 0.5 * 0.15
        return rest + (cares - rest) * self.chances(user)

    def acts(self, random: np.random.Generator, user: int, feed: Feed, feed_id: str, when: datetime) -> list[Event]:
        """What the viewer does with a feed that was served at `when`."""
        chances, events = self.chances(user), []
        for item in feed.items[: random.geometric(LEAVES) - 1]:
            if item.kind == "flow":
                continue
            for kind, fields in _acts(random, bool(random.random() < chances[item.row])):
                number = len(events) + 1
                moment = when + timedelta(seconds=number)
                events.append(
                    Event(event_id=f"{feed_id}.{number}", event_type=kind, user_id=user, timestamp=moment,
                          video_id=item.id, feed_id=feed_id, **fields)
                )  # fmt: skip
        return events


def _acts(random: np.random.Generator, cares: bool) -> list[tuple[str, dict[str, float]]]:
    """Types and fields of what is done with one video."""
    if not cares and random.random() < 0.5:
        return [("skip", {})]
    share = random.uniform(0.6, 1.0) if cares else random.uniform(0.0, 0.3)
    found: list[tuple[str, dict[str, float]]] = [
        ("video_view", {"watch_seconds": FULL * share, "duration_seconds": LENGTH})
    ]
    if cares:
        drawn = random.random(4)
        found += [("like", {})] * bool(drawn[0] < LIKES)
        found += [("rating", {"rating": float(random.integers(4, 6))})] * bool(drawn[1] < RATES)
        found += [("connection", {})] * bool(drawn[2] < CONNECTS)
        found += [("share", {})] * bool(drawn[3] < SHARES)
    return found
