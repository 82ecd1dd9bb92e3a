"""What a viewer was served, watched and hid before a request, packed as the kernel reads it."""

from array import array
from collections.abc import Sequence
from typing import Any

from engine.kernel._kernel import ffi, lib
from engine.kernel.room import unset

Ids = tuple[int, ...]
CREATORS = 95
"""So many creators of a session's last items are kept: the widest window looks at no more."""
SECTIONS = {"served": lib.TF_SERVED, "watched": lib.TF_WATCHED, "hidden": lib.TF_HIDDEN}
_SEEN, _IDS = ffi.typeof("tf_seen[]"), ffi.typeof("int64_t[]")
_HEAD = ffi.sizeof("tf_seen")


class Seen:
    """Ids, not rows, of videos and flows. What was served and `last_creators` belong to the session, the rest to the
    viewer; `last_creators` are the creators of the session's last items, oldest first (at most 95 are looked at).

    `most` bounds the number of ids.

    >>> Seen(served_videos=(5, 4), hidden_flows=(3,)).served_videos
    (5, 4)
    """

    __slots__ = ("_kept", "c_seen", "most")

    def __init__(
        self,
        *,
        served_videos: Sequence[int] = (),
        served_flows: Sequence[int] = (),
        watched_videos: Sequence[int] = (),
        watched_flows: Sequence[int] = (),
        hidden_videos: Sequence[int] = (),
        hidden_flows: Sequence[int] = (),
        last_creators: Sequence[int] = (),
    ) -> None:
        self.c_seen, self._kept = ffi.new("tf_seen[]", 1), list[Any]()
        sections = (served_videos, served_flows), (watched_videos, watched_flows), (hidden_videos, hidden_flows)
        for place, kinds in zip(SECTIONS.values(), sections, strict=True):
            for kind, ids in enumerate(kinds):
                self._point(self.c_seen[0].ids[place][kind], ids)
        self._point(self.c_seen[0].creators, last_creators)
        self.most = sum(len(ids) for kinds in sections for ids in kinds)

    def _point(self, c_ids: Any, ids: Sequence[int]) -> None:
        self._kept.append(ffi.new(_IDS, list(ids)))
        c_ids.id, c_ids.count = self._kept[-1], len(ids)

    @classmethod
    def read(cls, pages: Sequence[bytes], watched: Sequence[bytes], hidden: Sequence[bytes]) -> "Seen":
        """From a session's pages, oldest first, and a viewer's marks (`video:12`).

        A page holds the ids of its items, their creators' ids (8 bytes little-endian each), and a byte each, 1 for
        flows. What cannot be read is passed over and counted.
        """
        joined, sizes = b"".join(pages), array("i", map(len, pages)).tobytes()
        seen: Seen = cls.__new__(cls)
        marks = b"\n".join(watched), b"\n".join(hidden)
        # by bytes: a damaged mark may hold lines of its own, and none with an id is shorter than `flow:1` and its end
        seen.most = len(joined) // 17 + (len(marks[0]) + 1) // 7 + (len(marks[1]) + 1) // 7
        seen.c_seen = unset(_SEEN, 1 + (8 * (seen.most + CREATORS) + _HEAD - 1) // _HEAD)
        lib.tf_read(
            seen.c_seen, joined, ffi.from_buffer("int32_t[]", sizes), len(pages), CREATORS,
            marks[0], len(marks[0]), marks[1], len(marks[1]),
        )  # fmt: skip
        return seen

    @property
    def unread(self) -> int:
        """How many pages and marks could not be read."""
        return int(self.c_seen[0].unread)

    @property
    def served_videos(self) -> Ids:
        """Videos that earlier feeds of the session held."""
        return self._ids("served", 0)

    @property
    def served_flows(self) -> Ids:
        """Flows that earlier feeds of the session held."""
        return self._ids("served", 1)

    @property
    def watched_videos(self) -> Ids:
        """Videos that the viewer watched since the snapshot."""
        return self._ids("watched", 0)

    @property
    def watched_flows(self) -> Ids:
        """Flows that the viewer watched."""
        return self._ids("watched", 1)

    @property
    def hidden_videos(self) -> Ids:
        """Videos that the viewer hid."""
        return self._ids("hidden", 0)

    @property
    def hidden_flows(self) -> Ids:
        """Flows that the viewer hid."""
        return self._ids("hidden", 1)

    @property
    def last_creators(self) -> Ids:
        """Creators of the session's last items, oldest first."""
        return _unpacked(self.c_seen[0].creators)

    def _ids(self, section: str, kind: int) -> Ids:
        return _unpacked(self.c_seen[0].ids[SECTIONS[section]][kind])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seen) and self._all() == other._all()

    def __repr__(self) -> str:
        return f"Seen({', '.join(f'{name}={getattr(self, name)}' for name in FIELDS if getattr(self, name))})"

    def _all(self) -> tuple[Ids, ...]:
        return tuple(getattr(self, name) for name in FIELDS)


FIELDS = (*(f"{section}_{kind}" for section in SECTIONS for kind in ("videos", "flows")), "last_creators")
NOTHING_SEEN = Seen()


def _unpacked(c_ids: Any) -> Ids:
    return tuple(ffi.unpack(c_ids.id, c_ids.count)) if c_ids.count else ()
