"""Numbers in rendered items: the compiled text is, character for character, Python's of the same exact value."""

from struct import pack, unpack

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.features import DIMENSIONS
from engine.feed_types import SLATE, Drafted, Feed
from engine.render import Renderer, plain
from tests.support.worlds import random_world

WORLD = random_world(3, videos=7, flows=7)
RENDERER = Renderer(WORLD)


def of_bits(bits: int) -> float:
    return float(unpack("<d", pack("<Q", bits))[0])


def narrow(value: float) -> float:
    """The nearest float32, widened again."""
    return float(np.float32(value))


FINITE = st.floats(allow_nan=False, allow_infinity=False)
POWERS = st.integers(-330, 300).map(lambda power: float(f"1e{power}"))
TIES = st.builds(lambda odd, places: (2 * odd + 1) / 2**places, st.integers(0, 2**40), st.integers(0, 45))
NEARLY_TIES = st.builds(lambda head, power: float(f"{head}5e{power}"), st.integers(10**8, 10**9), st.integers(-25, 5))
NINES = st.builds(lambda tail, power: float(f"9.99999999{tail}e{power}"), st.integers(0, 999), st.integers(-15, 12))
USUAL = st.one_of(
    st.floats(0, 1), st.floats(0, 1).map(narrow), st.integers(1, 10**6).map(lambda n: 1 / n), st.floats(0, 1e-4)
)
BESIDE = st.one_of(POWERS, TIES, NEARLY_TIES, NINES).flatmap(
    lambda value: st.sampled_from([value, np.nextafter(value, 0), np.nextafter(value, 1e300), narrow(min(value, 1e38))])
)
BITS = st.integers(0, 2**64 - 1).map(of_bits).filter(np.isfinite)
NUMBERS = st.one_of(USUAL, BESIDE, BITS, FINITE).map(float).flatmap(lambda one: st.sampled_from([one, -one]))


def written(
    scores: list[float], propensities: list[float], feature: float = 0.5, reason: int = 2
) -> tuple[bytes, bytes]:
    """The same items by both renderers."""
    slate = np.zeros(len(scores), dtype=SLATE)
    slate["score"], slate["propensity"], slate["reason"] = scores, propensities, reason
    features = np.full((len(slate), DIMENSIONS), feature, dtype=np.float32)
    feed = Feed(Drafted.of(slate, features), (), short=False, seed=1, snapshot_id="s", policy_version="p")
    return RENDERER.items(feed), plain(WORLD, feed)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20))
@example([(0.0, 0.0), (-0.0, -0.0), (5e-324, 5e-324), (2.0**-1022, 2.0**-1022), (1.7e308, 1.7e308)])
@example([(2.0**30, 2.0**29), (2.0**30 - 2**-22, 2.0**29 - 2**-23), (2.0**-33, 2.0**-33), (0.5e-6, 1e-4)])
@example([(0.0000005, 99999999.95), (2.5, 999999999.5), (0.125, 9.9999999995e-5), (1e6, 0.00012345678950000001)])
def test_scores_and_propensities_are_the_exact_text_of_their_value(numbers: list[tuple[float, float]]) -> None:
    compiled, expected = written([score for score, _ in numbers], [propensity for _, propensity in numbers])
    assert compiled == expected


@settings(max_examples=200, deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False) | st.floats(0, 1, width=32), st.integers(0, 17))
def test_the_value_of_a_reason_is_the_exact_text_of_the_feature(feature: float, reason: int) -> None:
    compiled, expected = written([1.0], [1.0], feature, reason)
    assert compiled == expected


def test_what_is_no_finite_number_is_written_as_before() -> None:
    compiled, _ = written([float("nan"), 1.0], [float("inf"), float("nan")])
    assert b'"score":null,"propensity":inf' in compiled
    assert b'"propensity":nan' in compiled
