from typing import Any

import numpy as np
import pytest

from tests.tracking.worlds import NOON, feed
from tracking.decisions import Decision, feed_json

ABOUT: dict[str, Any] = {
    "feed_id": "f1",
    "user_id": 7,
    "session_id": "7:1",
    "served_at": NOON.replace(microsecond=1999),
}


def test_the_short_way_to_a_record_gives_the_same_bytes() -> None:
    served = feed("AU:1", "FW:flow3", "VMP:12", seed=5)
    assert feed_json(served, **ABOUT) == Decision.of_feed(served, **ABOUT).to_json()


def test_neither_way_keeps_features_that_are_no_numbers() -> None:
    served = feed("AU:1")
    served.features[0, 3] = np.nan
    for way in (feed_json, Decision.of_feed):
        with pytest.raises(ValueError, match="finite"):
            way(served, **ABOUT)
