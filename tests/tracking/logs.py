"""Seeded logs: feeds, and acts on them that arrive in several flushes, some before their feed's record, some twice."""

from datetime import timedelta
from pathlib import Path

import numpy as np

from engine.bandit.policy import LEARNING_POOLS
from tests.tracking.worlds import NOON, event, feed
from tracking.decisions import Decision
from tracking.events import EVENT_TYPES, Event
from tracking.fold import ALL, Part, step
from tracking.sink import Sink
from tracking.state import State

POOLS = ("VMP", "AU", "AU", "VMP", "NU", "EXPLORE/NU", "EXPLORE/VMP")
Row = Event | Decision


def log_rows(seed: int, feeds: int = 20, days: float = 60.0) -> list[Row]:
    """Rows in the order in which they are flushed: mostly a feed before its acts, never all in order."""
    random = np.random.default_rng(seed)
    rows: list[tuple[float, Row]] = []
    number = 0
    for index in range(feeds):
        items = [f"{random.choice(POOLS)}:{video}" for video in random.choice(30, 8, replace=False) + 1]
        at = NOON + timedelta(days=float(random.uniform(0, days)))
        made = Decision.of_feed(
            feed(*items, seed=seed + index), feed_id=f"f{index}", user_id=7, session_id="7:1", served_at=at
        )
        rows.append((index, made))
        for _ in range(random.integers(0, 7)):
            number += 1
            name = None if random.random() < 0.1 else made.feed_id
            shown = made.shown[random.integers(8)]
            stars, watched = float(random.integers(1, 6)), float(random.uniform(0, 40))
            act = event(number, str(random.choice(EVENT_TYPES)), video_id=shown.id, feed_id=name, rating=stars,
                        watch_seconds=watched, duration_seconds=30.0)  # fmt: skip
            rows.append((index + random.exponential(4) - 1, act))
    return [row for _, row in sorted(rows, key=lambda entry: entry[0])]


def store(sink: Sink, *rows: Row) -> None:
    """Flush these rows one by one, so that their ids are in this order."""
    for row in rows:
        if isinstance(row, Event):
            sink.write_activities([row])
        else:
            sink.write_decisions([row])


def folded(sink: Sink, state: State | None = None, limit: int = 5000, part: Part = ALL) -> State:
    """The state after all there is."""
    state = state or State()
    while step(sink, state, limit, part):
        pass
    return state


def difference(one: State, other: State) -> float:
    """The largest difference of any sum, relative to the largest of its kind (1 when counts or places differ)."""
    worst = 0.0
    for pool in LEARNING_POOLS:
        mine, theirs = one.statistics[pool].to_arrays(), other.statistics[pool].to_arrays()
        for name, sums in mine.items():
            if sums.shape != theirs[name].shape:
                return 1.0
            scale = max(1.0, float(np.abs(sums).max(initial=0.0)))
            worst = max(worst, float(np.abs(sums - theirs[name]).max(initial=0.0)) / scale)
    counts = [(s.acts, s.attributed, s.updates, s.activity_row, s.feed_row) for s in (one, other)]
    return worst if counts[0] == counts[1] else 1.0


def state_in(folder: Path) -> State:
    """The state that is published in a folder of policies."""
    from tracking.policies import PolicyStore

    return PolicyStore(folder).load_state() or State()
