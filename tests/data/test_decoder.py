"""Rows as the server sends them against the same cells read one by one."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.sources.decoder import BrokenRowsError, Decoder, ServerError
from data.tables import Kind, TableSpec, _table
from data.typed import CONVERTERS, TypedColumns

SPEC: TableSpec = _table(
    "odd", may_be_empty=True, id=Kind.ID, rating=Kind.RATING, made=Kind.TIME, word=Kind.WORD, text=Kind.TEXT
)
END = b"\xfe\x00\x00\x22\x00"
WHOLE = st.integers(-(2**70), 2**70) | st.decimals(allow_nan=False, allow_infinity=False, places=3)
TEXT = st.text(max_size=8) | st.sampled_from(["Like", "like ", "", "x" * 300, "é" * 70_000])
ROW = st.tuples(
    st.none() | WHOLE,
    st.none() | st.integers(-9, 9) | st.decimals(-1000, 1000, places=2) | st.floats(allow_nan=False),
    st.none() | st.integers(-(2**60), 2**60),
    st.none() | TEXT,
    st.none() | TEXT,
)


def cell(value: object) -> bytes:
    """A length-encoded text."""
    if value is None:
        return b"\xfb"
    text = str(value).encode()
    if len(text) < 251:
        return bytes([len(text)]) + text
    mark, width = (b"\xfc", 2) if len(text) < 65536 else (b"\xfd", 3)
    return mark + len(text).to_bytes(width, "little") + text


def packets(bodies: list[bytes], first: int = 0) -> bytes:
    """Bodies with the heads of packets."""
    return b"".join(
        len(body).to_bytes(3, "little") + bytes([(first + number) % 256]) + body for number, body in enumerate(bodies)
    )


def wire(rows: list[tuple[Any, ...]], first: int = 0, end: bytes = END) -> bytes:
    """A whole result."""
    return packets([b"".join(map(cell, row)) for row in rows] + [end], first)


def decoded(decoder: Decoder, stream: bytes, step: int) -> pd.DataFrame:
    """What the decoder makes of a stream that arrives in pieces of at most `step` bytes."""
    found, at = TypedColumns(SPEC), 0
    while not decoder.finished:
        room = decoder.room()
        piece = stream[at : at + min(step, len(room))]
        assert piece, "the decoder wants more than there is"
        room[: len(piece)] = piece
        room.release()
        at += len(piece)
        for columns in decoder.add(len(piece)):
            found.add_columns(columns)
    return found.frame()


@given(st.lists(ROW, max_size=12), st.integers(1, 40), st.integers(1, 5), st.integers(0, 255))
def test_rows_are_what_their_cells_are_however_they_arrive(
    rows: list[tuple[Any, ...]], step: int, room: int, first: int
) -> None:
    step = step if len(wire(rows)) < 5_000 else 100_000
    found = decoded(Decoder(SPEC, first, rows=room, size=64), wire(rows, first), step)
    expected = TypedColumns(SPEC)
    for row in rows:
        expected.add([tuple(Decimal(value) if isinstance(value, float) else value for value in row)])
    pd.testing.assert_frame_equal(found, expected.frame())


def test_ratings_are_read_to_the_last_bit() -> None:
    texts = ["4.5", "0.1", "-3.25", "1e-3", "5", "4.123456789012345678", "abc"]
    found = decoded(Decoder(SPEC, 0), wire([(1, text, None, None, None) for text in texts]), 1000)
    assert found["rating"].tolist() == CONVERTERS[Kind.RATING](texts).tolist()


def test_an_error_of_the_server_among_the_rows_is_told() -> None:
    decoder = Decoder(SPEC, 0)
    with pytest.raises(ServerError) as caught:
        decoded(decoder, wire([(1, 2, 3, "a", "b")], end=b"\xff\x01\x04#70100gone"), 1000)
    assert caught.value.packet == b"\xff\x01\x04#70100gone"


@pytest.mark.parametrize(
    "stream",
    [
        packets([cell(1) * 4]),  # a cell too few
        packets([cell(1) * 6]),
        packets([cell(1) * 4 + b"\xfc\xff"]),
        packets([cell(1) * 4 + b"\x09abc"]),
        packets([b"\xff"[:0]]),
        packets([cell(1) * 5], first=3),  # a packet is missing
    ],
)
def test_bytes_that_are_no_rows_are_refused(stream: bytes) -> None:
    with pytest.raises(BrokenRowsError):
        decoded(Decoder(SPEC, 0), stream, 1000)


@given(st.binary(max_size=200))
def test_no_bytes_whatever_do_harm(stream: bytes) -> None:
    with suppress(BrokenRowsError, ServerError, AssertionError):
        decoded(Decoder(SPEC, 0, rows=3, size=32), stream, 7)
