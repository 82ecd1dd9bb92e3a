"""Names to columns: list columns of names become sparse incidence matrices over one vocabulary."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from data.normalise import fold


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Names that count as one when folded.

    `names` are display names, one per folded name, in the order of the folded names. `incidence` has one matrix per
    encoded column, of shape (rows, names), holding 1 where the row's list has the name.
    """

    names: tuple[str, ...]
    incidence: tuple[csr_array, ...]

    def __len__(self) -> int:
        return len(self.names)


def vocabulary(*columns: pd.Series) -> Vocabulary:
    """One vocabulary over list columns; a name repeated within a list counts once.

    >>> tags = vocabulary(pd.Series([["Piano", "piano"], ["Ballet"]]), pd.Series([["PIANO"]]))
    >>> tags.names, tags.incidence[0].toarray().tolist(), tags.incidence[1].toarray().tolist()
    (('Ballet', 'Piano'), [[0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0]])
    """
    lists = [column.tolist() for column in columns]
    codes, names = _encode(list(chain.from_iterable(chain.from_iterable(lists))))
    matrices, start = [], 0
    for rows in lists:
        lengths = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
        end = start + int(lengths.sum())
        matrices.append(_incidence(np.repeat(np.arange(len(rows)), lengths), codes[start:end], (len(rows), len(names))))
        start = end
    return Vocabulary(names, tuple(matrices))


def codes(*columns: pd.Series) -> list[NDArray[np.int32]]:
    """Codes of folded names, shared by all columns; -1 where there is no name."""
    values = np.concatenate([column.to_numpy(dtype=object) for column in columns])
    numbers, names = pd.factorize(values)  # one number for each way of writing, -1 for none
    folded = [fold(name) if isinstance(name, str) else "" for name in names.tolist()]
    position = {name: index for index, name in enumerate(sorted(set(filter(None, folded))))}
    code = np.array([*(position.get(name, -1) for name in folded), -1], dtype=np.int32)
    return np.split(code[numbers], np.cumsum([len(column) for column in columns])[:-1])


def towns(*columns: tuple[NDArray[np.int32], NDArray[np.int32]]) -> list[NDArray[np.int32]]:
    """Codes of (city, country) pairs, shared by all columns; -1 without a city.

    Cities of one name in two countries are two towns. Where the country is unknown it is the one country that has a
    city of this name; with several, it stays a town of its own.

    >>> towns((np.array([0, 0, -1]), np.array([3, 4, 4])), (np.array([0, 1]), np.array([-1, -1])))
    [array([ 2,  3, -1], dtype=int32), array([0, 1], dtype=int32)]
    """
    city = np.concatenate([pair[0] for pair in columns]).astype(np.int64)
    country = np.concatenate([pair[1] for pair in columns]).astype(np.int64)
    cities = int(city.max(initial=-1)) + 1
    first, last = np.full(cities, np.iinfo(np.int64).max), np.full(cities, -1)
    both = (city >= 0) & (country >= 0)
    np.minimum.at(first, city[both], country[both])
    np.maximum.at(last, city[both], country[both])
    guess = (city >= 0) & (country < 0)
    sole = np.where(first == last, first, -1)
    country[guess] = sole[city[guess]]
    code = np.full(len(city), -1, dtype=np.int32)
    known = city >= 0
    code[known] = np.unique((country[known] + 1) * cities + city[known], return_inverse=True)[1]
    return np.split(code, np.cumsum([len(pair[0]) for pair in columns])[:-1])


def _encode(mentions: Sequence[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The code of every mention, and the display name of every code: the one mentioned first."""
    display = pd.unique(pd.Series(mentions, dtype=object)).tolist()
    folded = [fold(name) for name in display]
    kept = sorted({name for name in folded if name})
    position = {name: index for index, name in enumerate(kept)}
    code_of_display = {name: position.get(key, -1) for name, key in zip(display, folded, strict=True)}
    names: list[str] = [""] * len(kept)
    for name, code in reversed(code_of_display.items()):
        if code >= 0:
            names[code] = name
    return np.fromiter((code_of_display[name] for name in mentions), np.int64, count=len(mentions)), tuple(names)


def _incidence(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> csr_array:
    known = columns >= 0
    ones = np.ones(int(known.sum()), dtype=np.float64)
    matrix = csr_array((ones, (rows[known], columns[known])), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix
