"""One activity of a viewer, parsed once at the edge: `parse` names the wrong field, nothing behind it checks again.

`docs/events.md` is the table of types and fields. A feed request is an activity too; the service makes it itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID, uuid4

import orjson

from tracking.served import Served
from tracking.times import milliseconds, of_iso, to_iso

EVENT_TYPES: tuple[str, ...] = ("video_view", "like", "rating", "connection", "share", "skip", "hide")
FEED_REQUEST = "feed_request"
LARGEST_ID, MOST_POSITION, DAY_SECONDS = 2**63 - 1, 1_000_000, 86_400
EARLIEST_YEAR = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An activity. Times are aware UTC to the millisecond; seconds are seconds; a rating is 1 to 5."""

    event_id: str
    event_type: str
    user_id: int
    timestamp: datetime
    video_id: int | None = None
    flow_id: int | None = None
    video_url: str | None = None
    position: int | None = None
    feed_type: str | None = None
    session_id: str | None = None
    feed_id: str | None = None
    watch_seconds: float | None = None
    duration_seconds: float | None = None
    rating: float | None = None

    @property
    def item(self) -> str | None:
        """What it is about, as a feed's `mix_ids` write it: `video:12`, `flow:3`, or None for a feed request."""
        if self.video_id is not None:
            return f"video:{self.video_id}"
        return None if self.flow_id is None else f"flow:{self.flow_id}"

    def to_json(self) -> bytes:
        """One line of JSON without the empty fields."""
        values = {name: value for name in FIELDS if (value := getattr(self, name)) is not None}
        return orjson.dumps(values | {"timestamp": to_iso(self.timestamp)})

    @classmethod
    def of_json(cls, body: bytes) -> "Event":
        """The event that `to_json` wrote. Raises ValueError, TypeError or KeyError on anything else."""
        values = orjson.loads(body)
        if not isinstance(values, dict):
            raise TypeError("an event is a JSON object")
        known = {name: values[name] for name in FIELDS if values.get(name) is not None}
        for name, value in known.items():
            if not isinstance(value, TYPES[name]) or isinstance(value, bool):
                raise TypeError(f"{name}: {_shown(value)} has the wrong type")
        return cls(**known | {"timestamp": of_iso(values["timestamp"])})


def feed_request_json(served: Served) -> bytes:
    """The JSON of the activity that a served feed is; its id is the feed's."""
    return orjson.dumps(
        {
            "event_id": served.feed_id,
            "event_type": FEED_REQUEST,
            "user_id": served.user_id,
            "timestamp": served.served_at,
            "session_id": served.session_id,
            "feed_id": served.feed_id,
        }
    )


FIELDS: tuple[str, ...] = tuple(field.name for field in fields(Event))
NUMBERS = dict.fromkeys(("watch_seconds", "duration_seconds", "rating"), int | float)
WHOLE = dict.fromkeys(("user_id", "video_id", "flow_id", "position"), int)
TYPES = dict.fromkeys(FIELDS, str) | WHOLE | NUMBERS


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why the event at `index` of a call was not taken; `code` is stable, `message` names the field."""

    index: int
    code: str
    message: str


class _FieldError(Exception):
    """A field that is wrong: its stable code and a sentence that names it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def parse(raw: object, index: int, now: datetime) -> Event | Rejection:
    """The event that a client sent as the `index`-th of a call, or why it is not one. `now` is the edge's clock."""
    try:
        if not isinstance(raw, Mapping):
            raise _FieldError("not_an_object", "an event is a JSON object")
        return _event(raw, now)
    except _FieldError as error:
        return Rejection(index, error.code, error.message)


def _event(raw: Mapping[str, object], now: datetime) -> Event:
    event_type = raw.get("event_type")
    if event_type is None:
        raise _FieldError("missing_field", "event_type: needed")
    if event_type not in EVENT_TYPES:
        known = ", ".join(EVENT_TYPES)
        raise _FieldError("unknown_event_type", f"event_type: {_shown(event_type)} is not one of {known}")
    event = Event(
        event_id=_event_id(raw.get("event_id")),
        event_type=str(event_type),
        user_id=_required(_whole(raw, "user_id", 0, LARGEST_ID), "user_id"),
        timestamp=_timestamp(raw.get("timestamp"), now),
        video_id=_whole(raw, "video_id", 0, LARGEST_ID),
        flow_id=_whole(raw, "flow_id", 0, LARGEST_ID),
        video_url=_text(raw, "video_url", 1024),
        position=_whole(raw, "position", 1, MOST_POSITION),
        feed_type=_text(raw, "feed_type", 16),
        session_id=_text(raw, "session_id", 64),
        feed_id=_text(raw, "feed_id", 64),
        watch_seconds=_number(raw, "watch_seconds", 0.0, DAY_SECONDS),
        duration_seconds=_number(raw, "duration_seconds", 0.0, DAY_SECONDS),
        rating=_number(raw, "rating", 1.0, 5.0),
    )
    if (event.video_id is None) == (event.flow_id is None):
        raise _FieldError("missing_field", "video_id: needed (or flow_id for a flow, never both)")
    if event.event_type == "rating" and event.rating is None:
        raise _FieldError("missing_field", "rating: needed by a rating")
    return event


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _required(value: int | None, name: str) -> int:
    if value is None:
        raise _FieldError("missing_field", f"{name}: needed")
    return value


def _whole(raw: Mapping[str, object], name: str, least: int, most: int) -> int | None:
    value = raw.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _FieldError("invalid_field", f"{name}: {_shown(value)} is not a whole number of {least} to {most}")
    return value


def _number(raw: Mapping[str, object], name: str, least: float, most: float) -> float | None:
    value = raw.get(name)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
        return float(value)
    raise _FieldError("invalid_field", f"{name}: {_shown(value)} is not a number of {least:g} to {most:g}")


def _text(raw: Mapping[str, object], name: str, longest: int) -> str | None:
    value = raw.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise _FieldError("invalid_field", f"{name}: not a printable text of at most {longest} characters")
    return value


def _event_id(value: object) -> str:
    """The client's UUID in its usual spelling, or a new one."""
    if value is None:
        return str(uuid4())
    try:
        return str(UUID(value if isinstance(value, str) else ""))
    except ValueError:
        raise _FieldError("invalid_field", f"event_id: {_shown(value)} is not a UUID") from None


def _timestamp(value: object, now: datetime) -> datetime:
    """When it happened. A phone's clock may run ahead: what lies in the future happened now."""
    if value is None:
        return milliseconds(now)
    try:
        moment = milliseconds(of_iso(value if isinstance(value, str) else ""))
    except (ValueError, OverflowError):
        raise _FieldError("invalid_field", f"timestamp: {_shown(value)} is not an ISO-8601 time") from None
    if moment.year < EARLIEST_YEAR:
        raise _FieldError("invalid_field", f"timestamp: {_shown(value)} is before the year {EARLIEST_YEAR}")
    return min(moment, milliseconds(now))
