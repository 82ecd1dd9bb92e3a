from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracking.worlds import event
from tracking.events import EVENT_TYPES, Event
from tracking.rewards import KINDS, WEIGHTS, kind_values, watch_value

seconds = st.none() | st.floats(0, 86_400)
acts = st.lists(
    st.builds(
        lambda number, kind, watched, duration, stars: event(
            number, kind, watch_seconds=watched, duration_seconds=duration, rating=stars
        ),
        st.integers(1, 20),
        st.sampled_from(EVENT_TYPES),
        seconds,
        seconds,
        st.floats(1, 5),
    ),
    max_size=6,
    unique_by=lambda act: act.event_id,
)


@given(acts, st.randoms(use_true_random=False))
def test_values_lie_in_0_to_1_and_do_not_depend_on_the_order(found: list[Event], chance: Random) -> None:
    values = kind_values(found)
    shuffled = sorted(found, key=lambda _: chance.random())
    assert values.shape == (len(KINDS),)
    assert ((values >= 0) & (values <= 1)).all()
    assert np.array_equal(values, kind_values(shuffled))


@given(acts)
def test_a_like_never_lowers_a_reward(found: list[Event]) -> None:
    assert (kind_values([*found, event(99, "like")]) >= kind_values(found)).all()


def test_weights_sum_to_one() -> None:
    assert sum(WEIGHTS) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("watched", "duration", "value"),
    [
        (15, 15, 1.0), (7.5, 15, 0.5),  # a short video is full at its end
        (48, 60, 1.0), (24, 60, 0.5), (108, 180, 1.0), (120, 300, 1.0), (60, 300, 0.5),  # a long one before it
        (0, 10, 0.0), (500, 10, 1.0), (None, 10, 0.5), (None, None, 0.5), (24, None, 1.0), (12, 0, 0.5),
    ],
)  # fmt: skip
def test_a_watch_counts_by_the_bucket_of_its_duration(watched: float, duration: float, value: float) -> None:
    assert watch_value(watched, duration) == pytest.approx(value)


@pytest.mark.parametrize("kind", ["skip", "hide"])
def test_skip_and_hide_earn_nothing(kind: str) -> None:
    assert not kind_values([event(1, kind)]).any()


def test_the_latest_rating_counts() -> None:
    ratings: Sequence[Event] = [event(2, "rating", rating=5), event(1, "rating", rating=1)]
    assert kind_values(ratings)[KINDS.index("rating")] == 1.0
