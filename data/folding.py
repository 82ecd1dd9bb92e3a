"""Rows of a table that mostly grows, folded: one row for all that say the same of the same two, ascending by those two.

Folding in parts gives what folding at once gives, to the bit: `fold(fold(nothing, first), second)` is
`fold(nothing, first + second)`. So a load adds new rows to what was folded before.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Fold = Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]
Positions = NDArray[np.intp]
Numbers = NDArray[np.int64]

ACT = ("user_id", "video_id")
PAIR = ("user_id", "connected_user_id")


def acts(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Interactions: of a viewer's acts on one video, of one type and rating, dated or all undated, only the latest.

    Of equally late ones it is the one read last: `old`, which was folded before, was read before `new`. Ascending by
    user, video, date (undated first) and reading. `rows` says how many rows each act stands for.
    """
    if not len(new):
        return old
    both, key = _together(old, new.assign(rows=np.int32(1)), ACT)
    rest, at = _split(key, len(old))
    order = at[_order(key[at], both["created_at"].to_numpy(dtype="datetime64[us]")[at].view(np.int64))]
    several = _in_longer_runs(key[order])
    some = order[several]
    said = pd.factorize(np.cumsum(_first(key[some])) * len(both) + _kinds(both, some))[0]
    last = ~pd.Series(said).duplicated(keep="last").to_numpy()
    rows = both["rows"].to_numpy(dtype=np.int32, copy=True)
    rows[some[last]] = np.bincount(said, weights=rows[some])[said[last]]
    several[several] = ~last
    return _merged(both.assign(rows=rows), key, rest, order[~several])


def pairs(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Connections: each pair of people once, the smaller id first."""
    if not len(new):
        return old
    left, right = (new[name].to_numpy(dtype=np.int64) for name in PAIR)
    turned = pd.DataFrame({PAIR[0]: np.minimum(left, right), PAIR[1]: np.maximum(left, right)})
    both, key = _together(old, turned, PAIR)
    rest, at = _split(key, len(old))
    order = at[np.argsort(key[at])]
    return _merged(both, key, rest, order[_first(key[order])])


FOLDS: Mapping[str, Fold] = {"interactions": acts, "connections": pairs}


def nothing(table: str) -> pd.DataFrame:
    """A folded table without rows."""
    if table == "connections":
        return pd.DataFrame({name: np.zeros(0, np.int64) for name in PAIR})
    columns: dict[str, Any] = {name: np.zeros(0, np.int64) for name in ACT}
    columns |= {"rating": np.zeros(0, np.float32), "created_at": np.zeros(0, "datetime64[us]")}
    columns["interaction_type"] = pd.Categorical([], categories=pd.Index([], dtype="str"))
    return pd.DataFrame(columns | {"rows": np.zeros(0, np.int32)})


def _together(old: pd.DataFrame, new: pd.DataFrame, pair: tuple[str, str]) -> tuple[pd.DataFrame, Numbers]:
    """The rows of both after each other, and a number for each row's pair (`_pair_numbers`)."""
    columns: dict[str, Any] = {}
    for name in old.columns:
        if isinstance(old[name].dtype, pd.CategoricalDtype):
            columns[name] = pd.api.types.union_categoricals([old[name], new[name]], sort_categories=True)
        else:
            columns[name] = np.concatenate([old[name].to_numpy(), new[name].to_numpy()])
    return pd.DataFrame(columns, copy=False), _pair_numbers(*(columns[name] for name in pair))


def _pair_numbers(left: Numbers, right: Numbers) -> Numbers:
    """A number for each pair of ids, none below 0, that is larger for a larger pair."""
    span = int(right.max()) + 1
    if int(left.max()) >= np.iinfo(np.int64).max // span:  # ids that are as large as that are numbered first
        left, right = (pd.factorize(ids, sort=True)[0].astype(np.int64) for ids in (left, right))
        span = len(right)
    return left * span + right


def _split(key: Numbers, old: int) -> tuple[Positions, Positions]:
    """Of the first `old` rows, which are ascending, those whose pairs no later row has; and all others."""
    added = np.sort(key[old:])
    added = added[_first(added)]
    begin, end = (np.searchsorted(key[:old], added, side) for side in ("left", "right"))
    found, change = end > begin, np.zeros(old + 1, dtype=np.int8)
    change[begin[found]] += 1
    change[end[found]] -= 1
    touched = np.cumsum(change[:old], dtype=np.int8).astype(bool)
    return np.flatnonzero(~touched), np.concatenate([np.flatnonzero(touched), np.arange(old, len(key))])


def _merged(both: pd.DataFrame, key: Numbers, rest: Positions, others: Positions) -> pd.DataFrame:
    """Two choices of rows, each ascending and without a common pair, as one."""
    return both.take(np.insert(rest, np.searchsorted(key[rest], key[others]), others)).reset_index(drop=True)


def _order(key: Numbers, time: Numbers) -> Positions:
    """By key, time and position. Few keys have several rows, mostly, and only theirs need more than a quick sort."""
    order = np.argsort(key)
    several = _in_longer_runs(key[order])
    some = np.sort(order[several])
    order[several] = some[np.lexsort((time[some], key[some]))]
    return order


def _in_longer_runs(key: Numbers) -> NDArray[np.bool_]:
    """Which of ascending keys are there several times."""
    first = _first(key)
    return np.asarray(~first | ~np.append(first[1:], True)[: len(key)])


def _first(key: Numbers) -> NDArray[np.bool_]:
    """Which of ascending keys, none below 0, are there for the first time."""
    return np.asarray(np.diff(key, prepend=-1) != 0)


def _kinds(acts: pd.DataFrame, some: Positions) -> Numbers:
    """A number below that of all rows for what each of some acts says: its type, its rating, whether it has a date."""
    words = acts["interaction_type"].cat.codes.to_numpy()[some].astype(np.int64) + 1
    rating, ratings = pd.factorize(acts["rating"].to_numpy()[some], use_na_sentinel=False)
    dated = acts["created_at"].notna().to_numpy()[some]
    return np.asarray(pd.factorize((words * len(ratings) + rating) * 2 + dated)[0], dtype=np.int64)
