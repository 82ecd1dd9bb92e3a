"""What a session was served and what its viewer watched and hid: the truth of the session, read before every feed.

One Protocol, two implementations: `redis_ledger` and `local_ledger`. Served items and the creator window belong to the
session, watched and hidden ones to the viewer. A ledger is memory, not record: losing it ends sessions, and brings back
what was hidden or watched since the last reload.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import orjson

from engine.feed_types import Feed, Seen
from tracking.events import Event

SESSION_SECONDS = 3600
SHOWN_SECONDS = 86_400
MARK_SECONDS = 180 * 86_400
MOST_FEEDS, MOST_WATCHED, MOST_HIDDEN = 2_000, 1_000, 5_000
"""Kept of a session's feeds, and of a viewer's watched and hidden items: the latest."""
MOST_RECENT = 100
"""Feeds of a viewer that are searched for the one that showed an item."""
CREATORS = 95
MARKS = {"video_view": "watched", "like": "watched", "rating": "watched", "hide": "hidden"}
"""What an act means from now on; the same acts mean watched when a snapshot is built (`engine.build.viewers`)."""


class LedgerUnavailableError(Exception):
    """The ledger does not answer in time."""


class Ledger(Protocol):
    """The memory of sessions and viewers. Every method raises LedgerUnavailableError."""

    async def read(self, user_id: int, session_id: str) -> Seen:
        """What counts for the next feed, in one exchange."""
        ...

    async def served(self, user_id: int, session_id: str, feed_id: str, feed: Feed) -> None:
        """A feed was served."""
        ...

    async def acted(self, events: Sequence[Event]) -> None:
        """Viewers watched and hid; other acts are passed over."""
        ...

    async def latest_feeds(self, events: Sequence[Event]) -> Mapping[str, str]:
        """Event id to the feed, of the last day, that last showed the event's item to its viewer."""
        ...

    async def close(self) -> None:
        """Let go of connections and files."""
        ...


def session_name(user_id: int, session_id: str) -> str:
    """A session's name, which always begins with its viewer, so that nobody reads another's.

    >>> session_name(7, "7:1764000000000"), session_name(8, "7:1764000000000")
    ('7:1764000000000', '8:7:1764000000000')
    """
    return session_id if session_id.startswith(f"{user_id}:") else f"{user_id}:{session_id}"


def pack_feed(feed: Feed) -> bytes:
    """What a session keeps of a feed: `[["v", video id, creator id], ["f", flow id, creator id], ...]`."""
    slate = feed.slate
    kinds = ["f" if is_flow else "v" for is_flow in slate["is_flow"].tolist()]
    return orjson.dumps(list(zip(kinds, slate["id"].tolist(), slate["creator_id"].tolist(), strict=True)))


def seen_of(feeds: Sequence[bytes], watched: Sequence[str], hidden: Sequence[str]) -> Seen:
    """What the engine is told, from packed feeds (oldest first) and marked items (`video:12`)."""
    items = [entry for packed in feeds for entry in orjson.loads(packed)]
    return Seen(
        served_videos=tuple(number for kind, number, _ in items if kind == "v"),
        served_flows=tuple(number for kind, number, _ in items if kind == "f"),
        watched_videos=_ids(watched, "video:"),
        watched_flows=_ids(watched, "flow:"),
        hidden_videos=_ids(hidden, "video:"),
        hidden_flows=_ids(hidden, "flow:"),
        last_creators=tuple(creator for _, _, creator in items[-CREATORS:]),
    )


def _ids(items: Sequence[str], prefix: str) -> tuple[int, ...]:
    return tuple(int(item.removeprefix(prefix)) for item in items if item.startswith(prefix))
