"""What a viewer saw, read by the kernel from pages and marks, against the same in plain Python."""

from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.seen import CREATORS, NOTHING_SEEN, Seen

ID = st.integers(-(2**63), 2**63 - 1)
PAGES = st.lists(st.lists(st.tuples(ID, ID, st.booleans()), max_size=96), max_size=8)
MARK = st.tuples(st.booleans(), st.integers(0, 2**63 - 1))
MARKS = st.lists(MARK, max_size=20)


def page(items: list[tuple[int, int, bool]]) -> bytes:
    ids, creators = [item[0] for item in items], [item[1] for item in items]
    return pack(f"<{2 * len(items)}q", *ids, *creators) + bytes(item[2] for item in items)


def text(marks: list[tuple[bool, int]]) -> list[bytes]:
    return [f"{'flow' if flow else 'video'}:{number}".encode() for flow, number in marks]


def of_kind(items: list[tuple[int, bool]], flow: bool) -> tuple[int, ...]:
    return tuple(number for number, is_flow in items if is_flow == flow)


@settings(max_examples=200, deadline=None)
@given(PAGES, MARKS, MARKS)
def test_pages_and_marks_are_read_in_their_order(
    pages: list[list[tuple[int, int, bool]]], watched: list[tuple[bool, int]], hidden: list[tuple[bool, int]]
) -> None:
    items = [item for one in pages for item in one]
    served = [(item[0], item[2]) for item in items]
    acts = [[(number, flow) for flow, number in marks] for marks in (watched, hidden)]
    seen = Seen.read([page(one) for one in pages], text(watched), text(hidden))
    assert seen == Seen(
        served_videos=of_kind(served, False),
        served_flows=of_kind(served, True),
        watched_videos=of_kind(acts[0], False),
        watched_flows=of_kind(acts[0], True),
        hidden_videos=of_kind(acts[1], False),
        hidden_flows=of_kind(acts[1], True),
        last_creators=[item[1] for item in items][-CREATORS:],
    )
    assert (seen.unread, seen.most >= len(items) + len(watched) + len(hidden)) == (0, True)


WHOLE = page([(5, 105, False), (3, 103, True)])


@pytest.mark.parametrize(
    "damaged", [b"short", b"\x02" * 17, b'[["v",5,105]]', WHOLE[:-1], WHOLE + b"\0", WHOLE[:-1] + b"\xff"]
)
def test_a_page_that_makes_no_sense_is_passed_over_and_counted(damaged: bytes) -> None:
    seen = Seen.read([damaged, WHOLE, damaged], [], [])
    assert (seen.served_videos, seen.served_flows, seen.last_creators) == ((5,), (3,), (105, 103))
    assert seen.unread == 2


@pytest.mark.parametrize(
    "damaged",
    [b"video:", b"flow:", b"video:x", b"video:-1", b"video:1.5", b"video: 1", b"video:9223372036854775808",
     b"video:11111111111111111111", b"films:1", b"\xff\xfe", b"flow:1 ", b"video:\xd9\xa1"],
)  # fmt: skip
def test_a_mark_that_makes_no_sense_is_passed_over_and_counted(damaged: bytes) -> None:
    seen = Seen.read([], [b"video:7", damaged, b"flow:9223372036854775807"], [damaged])
    assert (seen.watched_videos, seen.watched_flows, seen.hidden_videos) == ((7,), (2**63 - 1,), ())
    assert seen.unread == 2


def test_a_mark_of_many_lines_is_read_within_the_room_that_there_is() -> None:
    lines = b"\n".join([b"flow:1"] * 100_000)
    seen = Seen.read([], [lines, b"video:7"], [lines])
    assert seen.most >= len(seen.watched_flows) + len(seen.watched_videos) + len(seen.hidden_flows) == 200_001


def test_whoever_saw_nothing_is_told_so() -> None:
    assert Seen.read([], [], []) == NOTHING_SEEN == Seen()
    assert Seen(hidden_videos=(1,)) != NOTHING_SEEN
    assert repr(Seen(hidden_videos=(1,))) == "Seen(hidden_videos=(1,))"
