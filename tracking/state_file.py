"""A state as a file: a `.npz` of the sums and a JSON object of all else. No pickle, so any file may be tried."""

import io
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import numpy as np
import orjson

from engine.bandit.policy import LEARNING_POOLS
from engine.bandit.statistics import Statistics
from engine.features import DIMENSIONS
from tracking.rewards import KINDS, WEIGHTS
from tracking.state import PLACES, Bandit, State

FORMAT = 2
FIELDS = (*PLACES, "acts", "attributed")
OF_POOL = ("half_life", "updates", "newest")
UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile)


class StateFileError(Exception):
    """A file holds no state that can be used; the message names it."""


def dump(state: State) -> bytes:
    """The file's content."""
    details: dict[str, Any] = {"format": FORMAT, "kinds": list(KINDS), "weights": list(WEIGHTS)}
    details |= {name: getattr(state, name) for name in FIELDS}
    details["pools"] = {
        pool: {name: getattr(bandit, name) for name in OF_POOL} for pool, bandit in state.bandits.items()
    }
    arrays: dict[str, Any] = {
        f"{pool}.{name}": array for pool, sums in state.statistics.items() for name, array in sums.to_arrays().items()
    }
    memory = io.BytesIO()
    np.savez(memory, details=np.frombuffer(orjson.dumps(details), dtype=np.uint8), **arrays)
    return memory.getvalue()


def load(path: Path) -> State:
    """The state in a file; its weights are the present ones. Raises StateFileError."""
    try:
        with path.open("rb") as content:
            if not is_zipfile(content):  # numpy would propose to read it as a pickle
                raise ValueError("it is no file of a policy")
        with np.load(path, allow_pickle=False) as file:
            details = orjson.loads(file["details"].tobytes())
            if details["format"] != FORMAT or details["kinds"] != list(KINDS):
                raise ValueError("it was made for another format or other reward kinds")
            bandits = {pool: _bandit(file, pool, details["pools"][pool]) for pool in LEARNING_POOLS}
            return State(bandits, **{name: details[name] for name in FIELDS})
    except UNREADABLE as error:
        raise StateFileError(f"policy {path} cannot be used: {error}") from error


def _bandit(file: Any, pool: str, details: dict[str, Any]) -> Bandit:
    arrays = {name.partition(".")[2]: file[name] for name in file if name.startswith(f"{pool}.")}
    sums = Statistics.of_arrays(arrays)
    items = len(sums.item_id)
    shapes = {
        "gram": (DIMENSIONS, DIMENSIONS), "moment": (len(KINDS), DIMENSIONS), "square": (len(KINDS), len(KINDS)),
        "item_count": (items,), "item_reward": (items, len(KINDS)), "item_features": (items, DIMENSIONS),
    }  # fmt: skip
    for name, shape in shapes.items():
        array = getattr(sums, name)
        if array.shape != shape or not np.isfinite(array).all():
            raise ValueError(f"{pool}.{name} is not {shape} finite numbers")
    return Bandit(sums=sums, **{name: details[name] for name in OF_POOL})
