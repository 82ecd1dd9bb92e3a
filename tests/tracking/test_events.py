from datetime import timedelta
from uuid import UUID

import pytest

from tests.tracking.worlds import NOON, event, uuid
from tracking.events import EVENT_TYPES, Event, Rejection, parse

VIEW = {"event_type": "video_view", "user_id": 7, "video_id": 12}


def parsed(**fields: object) -> Event:
    found = parse(VIEW | fields, 0, NOON)
    assert isinstance(found, Event)
    return found


def test_a_view_needs_only_type_viewer_and_video() -> None:
    found = parsed()
    assert (found.user_id, found.item, found.timestamp) == (7, "video:12", NOON)
    assert UUID(found.event_id)


def test_a_flow_is_named_by_its_own_field() -> None:
    found = parse({"event_type": "hide", "user_id": 7, "flow_id": 3}, 0, NOON)
    assert isinstance(found, Event)
    assert found.item == "flow:3"


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_an_event_comes_back_from_its_json(kind: str) -> None:
    full = event(1, kind, rating=4.0, position=2, feed_id="f", watch_seconds=1.5, session_id="7:1", video_url="ñ")
    assert Event.of_json(full.to_json()) == full


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"event_type": None}, "missing_field", "event_type"),
        ({"event_type": "view"}, "unknown_event_type", "event_type"),
        ({"event_type": "feed_request"}, "unknown_event_type", "event_type"),
        ({"event_type": ["like"]}, "unknown_event_type", "event_type"),
        ({"user_id": None}, "missing_field", "user_id"),
        ({"user_id": -1}, "invalid_field", "user_id"),
        ({"user_id": True}, "invalid_field", "user_id"),
        ({"user_id": "7"}, "invalid_field", "user_id"),
        ({"video_id": None}, "missing_field", "video_id"),
        ({"flow_id": 3}, "missing_field", "video_id"),
        ({"video_id": 2**63}, "invalid_field", "video_id"),
        ({"event_id": "7"}, "invalid_field", "event_id"),
        ({"event_id": 7}, "invalid_field", "event_id"),
        ({"event_type": "rating"}, "missing_field", "rating"),
        ({"rating": 6}, "invalid_field", "rating"),
        ({"watch_seconds": -1}, "invalid_field", "watch_seconds"),
        ({"watch_seconds": float("nan")}, "invalid_field", "watch_seconds"),
        ({"duration_seconds": "10"}, "invalid_field", "duration_seconds"),
        ({"position": 0}, "invalid_field", "position"),
        ({"session_id": "x" * 65}, "invalid_field", "session_id"),
        ({"feed_id": "a\nb"}, "invalid_field", "feed_id"),
        ({"video_url": "\ud800"}, "invalid_field", "video_url"),
        ({"timestamp": "yesterday"}, "invalid_field", "timestamp"),
        ({"timestamp": 5}, "invalid_field", "timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "invalid_field", "timestamp"),
        ({"timestamp": "1999-01-01"}, "invalid_field", "timestamp"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], code: str, field: str) -> None:
    found = parse(VIEW | change, 4, NOON)
    assert isinstance(found, Rejection)
    assert (found.index, found.code, found.message.split(":")[0]) == (4, code, field)
    assert "\n" not in found.message


@pytest.mark.parametrize("raw", [None, [], "view", 7])
def test_what_is_no_object_is_rejected(raw: object) -> None:
    assert isinstance(parse(raw, 0, NOON), Rejection)


def test_a_clock_that_runs_ahead_is_set_to_now() -> None:
    assert parsed(timestamp=(NOON + timedelta(days=1)).isoformat()).timestamp == NOON
    assert parsed(timestamp="2026-05-01T11:00:00+02:00").timestamp == NOON - timedelta(hours=3)


def test_the_same_uuid_in_another_spelling_is_the_same_event() -> None:
    assert parsed(event_id=uuid(10).upper().replace("-", "")).event_id == uuid(10)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"event_id": "1"}', b'{"event_id": 5, "timestamp": "2026-01-01"}'])
def test_json_that_is_no_event_is_an_error(body: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Event.of_json(body)
