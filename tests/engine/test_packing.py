"""What is kept of a feed: the kernel's packing against numpy and Python's base64."""

from base64 import b64encode

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.features import DIMENSIONS
from engine.feed_types import KINDS, SLATE, Drafted, Feed
from engine.packing import Packing

KEPT, RECORDED = ("creator_id", "row", "is_flow"), ("slot", "propensity", "pool", "id")
PACKING, HEAD = Packing(kept=KEPT, recorded=RECORDED), b'{"feed_id":"\xc3\xa9"'


def feed(count: int, seed: int) -> Feed:
    """A feed of random bytes; ids are not negative, features are finite."""
    random = np.random.default_rng(seed)
    slate = np.frombuffer(random.bytes(count * SLATE.itemsize), dtype=SLATE).copy()
    slate["id"] &= 2**63 - 1
    slate["is_flow"] &= 1
    features = random.normal(size=(count, DIMENSIONS)).astype(np.float32)
    return Feed(Drafted.of(slate, features), (), short=False, seed=1, snapshot_id="s", policy_version="p")


def columns(made: Feed, names: tuple[str, ...]) -> bytes:
    return b"".join(made.slate[name].tobytes() for name in names)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 96), st.integers(0, 2**32))
def test_a_feed_is_packed_as_numpy_and_base64_would(count: int, seed: int) -> None:
    made = feed(count, seed)
    packed = PACKING.pack(made, HEAD)
    assert packed.kept == columns(made, KEPT)
    assert packed.pools == columns(made, ("pool",))
    slate, features = b64encode(columns(made, RECORDED)), b64encode(made.features.tobytes())
    assert packed.record == HEAD + b',"slate":"%b","features":"%b"}' % (slate, features)
    named = [f'"{KINDS[item["is_flow"]]}:{item["id"]}"' for item in made.slate]
    assert packed.names == f"[{','.join(named)}]".encode()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 7 * DIMENSIONS + 3, 24 * DIMENSIONS - 1])
def test_a_feature_that_is_no_finite_number_is_refused_wherever_it_is(value: float, place: int) -> None:
    made = feed(24, 1)
    made.features.flat[place] = value
    with pytest.raises(ValueError, match="finite"):
        PACKING.pack(made, HEAD)
    made.features.flat[place] = np.finfo(np.float32).max
    assert PACKING.pack(made, HEAD)


def test_more_positions_than_a_feed_may_have_are_refused() -> None:
    with pytest.raises(ValueError, match="slate: 97 positions"):
        PACKING.pack(feed(97, 1), HEAD)
