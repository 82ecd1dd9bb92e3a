"""Rows as MySQL sends them, straight into typed columns: no Python object a cell, and the interpreter's lock let go.

    decoder = Decoder(spec, sequence)
    while not decoder.finished:
        for columns in decoder.add(read_into(decoder.room())):
            keep(columns)

`rows.c` finds the cells. Numbers written plainly become numbers there; whatever else there is gets read here, as it
would be from any other source (`data.typed`).
"""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.sources._rows import ffi, lib
from data.tables import Column, Kind, TableSpec
from data.typed import CONVERTERS, UNREADABLE

BUFFER_BYTES = 4 * 1024 * 1024
CHUNK_ROWS = 128 * 1024
_AS = {Kind.RATING: lib.ROWS_REAL, Kind.TEXT: lib.ROWS_TEXT, Kind.LIST: lib.ROWS_TEXT, Kind.WORD: lib.ROWS_WORD}

Columns = list["pd.Series[Any]"]


class BrokenRowsError(Exception):
    """The bytes are not rows of this table: something on the way changed or lost some."""


class ServerError(Exception):
    """The server ended the rows with an error; `packet` is the body of its packet."""

    def __init__(self, packet: bytes) -> None:
        super().__init__(packet)
        self.packet = packet


class Decoder:
    """One result of the text protocol. `sequence` is the number of the packet that its first row comes in."""

    def __init__(self, spec: TableSpec, sequence: int, *, rows: int = CHUNK_ROWS, size: int = BUFFER_BYTES) -> None:
        self._spec, self.finished = spec, False
        shape, slots = (len(spec.columns), rows), 1 << (2 * rows - 1).bit_length()
        self._arrays: dict[str, NDArray[Any]] = {
            "kinds": np.array([_AS.get(column.kind, lib.ROWS_WHOLE) for column in spec.columns], np.uint8),
            "value": np.empty(shape, np.int64),
            "length": np.empty(shape, np.int32),
            "code": np.empty(shape, np.int32),
            "table": np.full((len(spec.columns), slots), -1, np.int32),
        }
        self._buffer, self._filled = bytearray(size), 0
        self._state: Any = ffi.new("rows_t *")
        self._state.columns, self._state.sequence = len(spec.columns), sequence
        self._state.room, self._state.slots = rows, slots
        for name, array in self._arrays.items():
            pointer = ffi.from_buffer(array.dtype.name + "_t[]", array, require_writable=True)
            setattr(self._state, name, pointer)

    def room(self) -> memoryview:
        """Where the next bytes of the connection belong; never empty."""
        if self._filled == len(self._buffer):  # one row is larger than all of it; a packet has less than 16 MiB
            self._buffer = self._buffer + bytearray(len(self._buffer))
        return memoryview(self._buffer)[self._filled :]

    def add(self, count: int) -> Iterator[Columns]:
        """Chunks of rows that are whole now that `count` more bytes are in the room: none, mostly.

        Raises `ServerError` and `BrokenRowsError`.
        """
        self._filled += count
        outcome = lib.ROWS_FULL
        while outcome == lib.ROWS_FULL:
            outcome = lib.rows_decode(self._state, ffi.from_buffer(self._buffer), self._filled)
            if outcome == lib.ROWS_ERROR:
                raise ServerError(self._packet())
            if outcome == lib.ROWS_BROKEN:
                raise BrokenRowsError(f"what came after row {self._state.rows} of a chunk is no row of the table")
            self.finished = outcome == lib.ROWS_END
            if outcome != lib.ROWS_MORE or self._filled == len(self._buffer):
                if self._state.rows:
                    yield [self._series(index, column) for index, column in enumerate(self._spec.columns)]
                self._begin_anew()

    def _packet(self) -> bytes:
        at = self._state.used
        return bytes(self._buffer[at + 4 : at + 4 + int.from_bytes(self._buffer[at : at + 3], "little")])

    def _begin_anew(self) -> None:
        """Forget the rows that were taken; what is left of the bytes moves to the front."""
        rest = self._buffer[self._state.used : self._filled]
        self._buffer[: len(rest)] = rest
        self._filled, self._state.used, self._state.rows = len(rest), 0, 0
        self._arrays["table"][self._arrays["kinds"] == lib.ROWS_WORD] = -1

    def _series(self, index: int, column: Column) -> "pd.Series[Any]":
        rows = self._state.rows
        value, length = self._arrays["value"][index, :rows], self._arrays["length"][index, :rows]
        if column.kind is Kind.WORD:
            return self._words(value, length, self._arrays["code"][index, :rows])
        if column.kind in (Kind.TEXT, Kind.LIST):
            return pd.Series(self._texts(value, length), dtype=object)
        if column.kind is Kind.RATING:
            return self._ratings(value, length)
        whole = self._whole(value, length)
        if column.kind is Kind.TIME:
            return pd.Series(whole.fillna(UNREADABLE).to_numpy(np.int64).view("datetime64[us]"))
        return whole

    def _texts(self, value: NDArray[np.int64], length: NDArray[np.int32]) -> list[str | None]:
        buffer = self._buffer
        return [
            None if size < 0 else buffer[start : start + size].decode("utf-8", "replace")
            for start, size in zip(value.tolist(), length.tolist(), strict=True)
        ]

    def _odd(self, value: NDArray[np.int64], length: NDArray[np.int32]) -> tuple[NDArray[np.intp], list[str | None]]:
        """Rows whose number is not written plainly, and what is written."""
        rows = np.flatnonzero(length >= 0)
        return rows, self._texts(value[rows], length[rows])

    def _whole(self, value: NDArray[np.int64], length: NDArray[np.int32]) -> "pd.Series[Any]":
        missing, numbers = length == lib.ROWS_NULL, value.copy()
        rows, written = self._odd(value, length)
        if len(rows):
            numbers[rows] = CONVERTERS[Kind.ID]([_number(text) for text in written]).to_numpy(np.int64)
        return pd.Series(pd.arrays.IntegerArray(numbers, missing))

    def _ratings(self, value: NDArray[np.int64], length: NDArray[np.int32]) -> "pd.Series[Any]":
        numbers = np.where(length == lib.ROWS_NULL, np.nan, value.view(np.float64))
        rows, written = self._odd(value, length)
        with np.errstate(over="ignore"):
            ratings = numbers.astype(np.float32)
        if len(rows):
            ratings[rows] = CONVERTERS[Kind.RATING](written).to_numpy(np.float32)
        return pd.Series(ratings)

    def _words(self, value: NDArray[np.int64], length: NDArray[np.int32], code: NDArray[np.int32]) -> "pd.Series[Any]":
        """Each different text is folded once; its rows share the category."""
        first = np.unique(code[code >= 0])
        found = CONVERTERS[Kind.WORD](self._texts(value[first], length[first])).array
        numbers = np.append(found.codes, np.int8(-1))
        place = np.searchsorted(first, code)
        return pd.Series(pd.Categorical.from_codes(numbers[np.where(code < 0, -1, place)], dtype=found.dtype))


def _number(text: str | None) -> Decimal | None:
    """What a number column may say beside plain digits: a fraction, an exponent, more digits than 18."""
    try:
        return Decimal(text or "")
    except InvalidOperation:
        return Decimal("Infinity")
