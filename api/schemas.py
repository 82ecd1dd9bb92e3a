"""What a feed request may hold, checked once, by hand-sized validators over pydantic's fields."""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, StrictInt, ValidationError

from api import errors

LARGEST = 2**63 - 1
MOST_EXCLUDED = 2_000
MOST_EVENTS = 1_000
_ITEM = re.compile(r"(video|flow):(\d{1,19})", re.ASCII).fullmatch
_NUMBER = re.compile(r"-?\d{1,20}", re.ASCII).fullmatch


def _excluded_errors(value: Any) -> list[dict[str, str]]:
    """What is wrong with `excluded_ids`: nothing, the whole of it, or up to twenty of its entries."""
    if not isinstance(value, list):
        return [{"field": "excluded_ids", "message": "should be a list of video ids, `video:12` or `flow:3`"}]
    if len(value) > MOST_EXCLUDED:
        return [{"field": "excluded_ids", "message": f"holds {len(value)} ids; at most {MOST_EXCLUDED} are taken"}]
    message = f"should be a whole number from 0 to {LARGEST}, `video:12` or `flow:3`"
    wrong = [index for index, entry in enumerate(value) if not _is_id(entry)]
    return [{"field": f"excluded_ids[{index}]", "message": message} for index in wrong[:20]]


def _is_id(entry: Any) -> bool:
    if type(entry) is int:
        return 0 <= entry <= LARGEST
    match = _ITEM(entry) if type(entry) is str else None
    return match is not None and int(match[2]) <= LARGEST


def _empty_is_new(value: Any) -> Any:
    return None if value == "" else value


def _checked_before(value: Any) -> Any:
    """`parse_feed` has looked at the ids already, to name each wrong one beside the other fields' errors."""
    return value or ()


Id = Annotated[StrictInt, Field(ge=0, le=LARGEST)]
SessionId = Annotated[
    Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9:._-]+$", strict=True)] | None,
    BeforeValidator(_empty_is_new),
]


class FeedBody(BaseModel):
    """A feed request. Unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [
        {"user_id": 7, "excluded_ids": [1, "video:2", "flow:3"], "session_id": None, "size": 24, "seed": None},
    ]})  # fmt: skip

    user_id: Id = Field(description="the viewer; one that the data does not know gets a feed too")
    excluded_ids: Annotated[
        Sequence[int | str], PlainValidator(_checked_before, json_schema_input_type=list[int | str])
    ] = Field(default=(), description=f"videos as numbers or `video:12`, flows as `flow:3`; at most {MOST_EXCLUDED}")
    session_id: SessionId = Field(None, description="what an earlier page answered; null starts a session")
    size: Annotated[StrictInt, Field(ge=1, le=96)] = Field(24, description="number of items")
    seed: Id | None = Field(None, description="makes the feed reproducible; null takes a random one")

    def excluded(self, kind: str) -> tuple[int, ...]:
        """The excluded ids of one kind, `video` or `flow`."""
        if not self.excluded_ids:
            return ()
        prefix = kind + ":"
        numbers = [entry for entry in self.excluded_ids if type(entry) is int] if kind == "video" else []
        texts = [entry for entry in self.excluded_ids if type(entry) is str and entry.startswith(prefix)]
        return (*numbers, *(int(text[len(prefix) :]) for text in texts))


_feed_body: Callable[[Any], FeedBody] = FeedBody.__pydantic_validator__.validate_python
"""Raises ValidationError. A third faster than by way of `FeedBody.model_validate`."""


def json_value(raw: bytes | bytearray) -> Any:
    """A body, parsed. Raises `errors.ProblemError` (400) when it is not JSON."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise errors.ProblemError(400, f"The body is not valid JSON: {error}") from None


def parse_feed(values: Any) -> FeedBody:
    """Check a request's values. Raises `errors.ProblemError` (422) that names the fields."""
    if not isinstance(values, dict):
        raise errors.field_problem("body", "should be a JSON object")
    excluded = values.get("excluded_ids")
    found = [] if excluded is None else _excluded_errors(excluded)
    try:
        body = _feed_body(values)
    except ValidationError as error:
        raise errors.invalid(
            [*errors.from_details(error.errors(include_url=False, include_context=False)), *found]
        ) from None
    if found:
        raise errors.invalid(found)
    return body


def feed_query(parameters: Any) -> dict[str, Any]:
    """The values of a GET request as the body of a POST would hold them; what is no number is left for the check.

    `parameters` are the query's; `excluded_ids` is comma-separated and may be repeated.
    """
    values: dict[str, Any] = {}
    for name in ("user_id", "size", "seed"):
        if parameters.get(name) not in (None, ""):
            values[name] = _number(parameters[name])
    if parameters.get("session_id"):
        values["session_id"] = parameters["session_id"]
    excluded = [part for text in parameters.getlist("excluded_ids") if text for part in text.split(",")]
    values["excluded_ids"] = [_number(part.strip()) for part in excluded]
    return values


def _number(text: str) -> int | str:
    return int(text) if _NUMBER(text) else text


def event_list(values: Any) -> list[Any]:
    """The events of a body, each unchecked. Raises `errors.ProblemError` (422) that names `events`."""
    events = values.get("events") if isinstance(values, dict) else None
    if not isinstance(events, list):
        raise errors.field_problem("events", "should be a list of events")
    if not 1 <= len(events) <= MOST_EVENTS:
        raise errors.field_problem("events", f"holds {len(events)} events; 1 to {MOST_EVENTS} are taken")
    return events
