import struct
from base64 import b64encode
from typing import Any

import numpy as np
import orjson
import pytest

from tests.tracking.worlds import NOON, feed
from tracking.decisions import Decision, Shown, pack_items
from tracking.served import Served

ABOUT: dict[str, Any] = {
    "feed_id": "f1",
    "user_id": 7,
    "session_id": "7:1",
    "served_at": NOON.replace(microsecond=1999),
}


def test_the_short_way_to_a_record_gives_the_same_bytes() -> None:
    served = feed("AU:1", "FW:flow3", "VMP:12", seed=5)
    assert Served(served, **ABOUT).packed.record == Decision.of_feed(served, **ABOUT).to_json()


def test_neither_way_keeps_features_that_are_no_numbers() -> None:
    served = feed("AU:1")
    served.features[0, 3] = np.nan
    for way in (lambda: Served(served, **ABOUT), lambda: Decision.of_feed(served, **ABOUT)):
        with pytest.raises(ValueError, match="finite"):
            way()


IDS, CHANCES, FLOWS, SLOTS, POOLS = (12, -2, 2**63 - 1), (0.5, 0.25, 0.0), (0, 0, 1), (1, 4, 3), (0, 1, 3)
SLATE = b64encode(struct.pack("<3q3d3B3B3B", *IDS, *CHANCES, *FLOWS, *SLOTS, *POOLS)).decode()
SHOWN = (
    Shown("video", 12, "AU", "VMP", 0.5),
    Shown("video", -2, "EXPLORE", "AU", 0.25),
    Shown("flow", 2**63 - 1, "FW", "FW", 0.0),
)


def waiting(**change: Any) -> bytes:
    """A record as it waits in Redis or in the spool."""
    features = b64encode(bytes(4 * 18 * 3)).decode()
    values = {"feed_id": "f1", "user_id": 7, "session_id": "7:1", "snapshot_id": "s", "policy_version": "p", "seed": 1}
    values |= {"served_at": "2026-05-01T12:00:00.001Z", "slate": SLATE, "features": features} | change
    return orjson.dumps({name: value for name, value in values.items() if value is not None})


def test_the_bytes_that_wait_mean_the_same_for_ever() -> None:
    record = Decision.of_json(waiting())
    assert record.shown == SHOWN
    assert record.to_json() == Decision.of_json(record.to_json()).to_json()
    assert orjson.loads(record.to_json())["slate"] == SLATE


def test_a_record_that_has_waited_since_before_there_were_columns_is_stored_too() -> None:
    assert Decision.of_json(waiting(slate=None, items=pack_items(SHOWN))).shown == SHOWN


@pytest.mark.parametrize(
    ("slate", "named"),
    [
        ("AAAA", "whole number"),
        ("not base64!", "base64"),
        (b64encode(bytes(16) + b"\0\0\5").decode(), "unknown pool"),
        (b64encode(bytes(16) + b"\2\0\0").decode(), "unknown pool or kind"),
        (b64encode(bytes(14) + b"\xf8\x7f\0\0\0").decode(), "propensity"),
        (b64encode(bytes(19)).decode(), "features"),
    ],
)
def test_a_damaged_record_is_refused_by_the_name_of_its_part(slate: str, named: str) -> None:
    features = b64encode(bytes(4 * 18 * (2 if named == "features" else 1))).decode()
    with pytest.raises(ValueError, match=named):
        Decision.of_json(waiting(slate=slate, features=features))


def test_the_longest_feed_comes_back() -> None:
    served = feed(*(f"AU:{n}" for n in range(1, 97)))
    assert Decision.of_json(Served(served, **ABOUT).packed.record).shown == Decision.of_feed(served, **ABOUT).shown
