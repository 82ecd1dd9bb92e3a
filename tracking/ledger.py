"""What a session was served and what its viewer watched and hid: the truth of the session, read before every feed.

One Protocol, two implementations: `redis_ledger` and `local_ledger`. Served items and the creator window belong to the
session, watched and hidden ones to the viewer. A ledger is memory, not record: losing it ends sessions, and brings back
what was hidden or watched since the last reload.
"""

import logging
from collections.abc import Awaitable, Mapping, Sequence
from functools import cache
from itertools import compress
from struct import unpack
from typing import Protocol

from engine.feed_types import Feed, Seen
from tracking.events import Event
from tracking.packed import packed

log = logging.getLogger(__name__)

SESSION_SECONDS = 3600
SHOWN_SECONDS = 86_400
MARK_SECONDS = 180 * 86_400
MOST_FEEDS, MOST_WATCHED, MOST_HIDDEN = 2_000, 1_000, 5_000
"""Kept of a session's feeds, and of a viewer's watched and hidden items: the latest."""
MOST_RECENT = 100
"""The latest feeds of a viewer, which are searched for the one that showed an item."""
CREATORS = 95
NOT = bytes.maketrans(b"\0\1", b"\1\0")
MARKS = {"video_view": "watched", "like": "watched", "rating": "watched", "hide": "hidden"}
"""What an act means from now on; the same acts mean watched when a snapshot is built (`engine.build.viewers`)."""


class LedgerUnavailableError(Exception):
    """The ledger does not answer in time."""


class Ledger(Protocol):
    """The memory of sessions and viewers. Every method raises LedgerUnavailableError."""

    async def read(self, user_id: int, session_id: str) -> Seen:
        """What counts for the next feed, in one exchange."""
        ...

    def served(self, user_id: int, session_id: str, feed_id: str, feed: Feed) -> Awaitable[object]:
        """A feed was served. Begins at once; what is returned ends when it is kept, or raises, and must be awaited."""
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
    """What a session keeps of a feed: ids, creators' ids (8 bytes little-endian each), and a byte each, 1 for flows."""
    return packed(feed).kept


def unpack_feed(kept: bytes) -> tuple[tuple[int, ...], tuple[int, ...], bytes]:
    """The ids, the creators' ids, and which are flows, of what `pack_feed` wrote. Raises ValueError on other bytes."""
    ids, creators, is_flow = _columns(kept)
    return _numbers(ids), _numbers(creators), is_flow


def seen_of(feeds: Sequence[bytes], watched: Sequence[str], hidden: Sequence[str]) -> Seen:
    """What the engine is told, from packed feeds (oldest first) and marked items (`video:12`). What cannot be read is
    passed over: a viewer is better off with the rest of the memory than without a feed.
    """
    ids, creators, flags = list[bytes](), list[bytes](), list[bytes]()
    for kept in feeds:
        try:
            own, makers, flows = _columns(kept)
        except ValueError:
            _tell_once("a session's feed")
            continue
        ids.append(own)
        creators.append(makers)
        flags.append(flows)
    # joined before they are unpacked, so that a session of many pages is one step
    served, is_flow = _numbers(b"".join(ids)), b"".join(flags)
    return Seen(
        served_videos=tuple(compress(served, is_flow.translate(NOT))),
        served_flows=tuple(compress(served, is_flow)),
        watched_videos=_ids(watched, "video:"),
        watched_flows=_ids(watched, "flow:"),
        hidden_videos=_ids(hidden, "video:"),
        hidden_flows=_ids(hidden, "flow:"),
        last_creators=_numbers(b"".join(creators)[-8 * CREATORS :]),
    )


def _columns(kept: bytes) -> tuple[bytes, bytes, bytes]:
    count, rest = divmod(len(kept), 17)
    is_flow = kept[16 * count :]
    if rest or is_flow.strip(b"\0\1"):
        raise ValueError("this is no feed of a session")
    return kept[: 8 * count], kept[8 * count : 16 * count], is_flow


def _numbers(column: bytes) -> tuple[int, ...]:
    return unpack(f"<{len(column) // 8}q", column)


def _ids(items: Sequence[str], prefix: str) -> tuple[int, ...]:
    if not items:
        return ()
    found = [item.removeprefix(prefix) for item in items if item.startswith(prefix)]
    try:
        return tuple(map(int, found))
    except ValueError:
        _tell_once("a viewer's mark")
        return tuple(int(number) for number in found if number.isdecimal())


@cache
def _tell_once(what: str) -> None:
    log.warning("%s cannot be read (damaged, or of another version) and is passed over, as are others like it", what)
