"""What a session was served and what its viewer watched and hid: the truth of the session, read before every feed.

One Protocol, two implementations: `redis_ledger` and `local_ledger`. Served items and the creator window belong to the
session, watched and hidden ones to the viewer. A ledger is memory, not record: losing it ends sessions, and brings back
what was hidden, and what was watched since the last reload.
"""

import logging
from collections.abc import Awaitable, Mapping, Sequence
from functools import cache
from struct import unpack
from typing import NamedTuple, Protocol

from engine.feed_types import NOTHING_SEEN, Seen
from tracking.events import Event
from tracking.served import Served

log = logging.getLogger(__name__)

SESSION_SECONDS = 3600
SHOWN_SECONDS = 86_400
MARK_SECONDS = 180 * 86_400
MOST_FEEDS, MOST_WATCHED, MOST_HIDDEN = 2_000, 1_000, 5_000
"""Kept of a session's feeds, and of a viewer's watched and hidden items: the latest."""
MOST_RECENT = 100
"""The latest feeds of a viewer, which are searched for the one that showed an item."""
MARKS = {"video_view": "watched", "like": "watched", "rating": "watched", "hide": "hidden"}
"""What an act means from now on; the same acts mean watched when a snapshot is built (`engine.build.viewers`)."""


class LedgerUnavailableError(Exception):
    """The ledger does not answer in time."""


class LedgerDamagedError(LedgerUnavailableError):
    """The ledger answers, but what it has of this session or viewer is not its own and takes nothing: others go on."""


class Missed(NamedTuple):
    """What a ledger has not been told of a session and its viewer: packed feeds and marked items (`video:12`)."""

    feeds: Sequence[bytes] = ()
    watched: Sequence[bytes] = ()
    hidden: Sequence[bytes] = ()


NOTHING_MISSED = Missed()


class Ledger(Protocol):
    """The memory of sessions and viewers. Every method raises LedgerUnavailableError."""

    async def read(self, user_id: int, session_id: str, missed: Missed = NOTHING_MISSED) -> Seen:
        """What counts for the next feed, in one exchange; what the ledger `missed` counts too."""
        ...

    def served(self, served: Served) -> Awaitable[object]:
        """A feed was served. Begins at once; what is returned ends when it is kept, or raises, and must be awaited."""
        ...

    async def acted(self, events: Sequence[Event]) -> None:
        """Viewers watched and hid; other acts are passed over. An act counts from now on, whatever its `timestamp`: a
        phone's clock may be years behind, and must not cost its viewer a hide.
        """
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


def unpack_feed(kept: bytes) -> tuple[tuple[int, ...], tuple[int, ...], bytes]:
    """What a session keeps of a feed (`tracking.served.KEPT`): the ids and the creators' ids (8 bytes little-endian
    each), and which are flows (a byte each, 1 for flows). Raises ValueError on other bytes.
    """
    count, rest = divmod(len(kept), 17)
    is_flow = kept[16 * count :]
    if rest or is_flow.strip(b"\0\1"):
        raise ValueError("this is no feed of a session")
    return unpack(f"<{count}q", kept[: 8 * count]), unpack(f"<{count}q", kept[8 * count : 16 * count]), is_flow


def seen_of(
    feeds: Sequence[bytes], watched: Sequence[bytes], hidden: Sequence[bytes], missed: Missed = NOTHING_MISSED
) -> Seen:
    """What the engine is told, from packed feeds (oldest first) and marked items (`video:12`). What cannot be read is
    passed over: a viewer is better off with the rest of the memory than without a feed.
    """
    if missed is not NOTHING_MISSED:
        feeds, watched, hidden = [*feeds, *missed.feeds], [*watched, *missed.watched], [*hidden, *missed.hidden]
    if not (feeds or watched or hidden):
        return NOTHING_SEEN
    seen = Seen.read(feeds, watched, hidden)
    if seen.unread:
        _tell_once()
    return seen


@cache
def _tell_once() -> None:
    log.warning("a part of a session or a viewer's mark cannot be read (damaged, or of another version) and is passed "
                "over, as are others like it")  # fmt: skip
