"""/openapi.json is true: requests made from it are answered as it says."""

from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import build
from api.settings import Settings
from tests.api.server import Server
from tracking.events import FIELDS, Event, Rejection, parse

schema = schemathesis.openapi.from_dict(build(Settings()).openapi())
CHECKS = (not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance)


@schema.include(path_regex="^/(v1/(feed|events|video-views)|livez|readyz|health)$").parametrize()
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_requests_made_from_the_document_are_answered_as_it_says(case: Any, server: Server) -> None:
    case.call_and_validate(base_url=server.url, checks=CHECKS)


def test_an_example_of_the_document_is_served(server: Server) -> None:
    document = server.http.get("/openapi.json").json()
    for path, name in (("/v1/feed", "FeedBody"), ("/v1/events", "EventsBody"), ("/v1/video-views", "ViewBody")):
        for example in document["components"]["schemas"][name]["examples"]:
            assert server.http.post(path, json=example).status_code in (200, 202)


def test_every_reference_of_the_document_is_there(server: Server) -> None:
    document = server.http.get("/openapi.json").json()

    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [found for value in part.values() for found in references(value)]
        return [found for value in part for found in references(value)] if isinstance(part, list) else []

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known


def test_every_admin_route_asks_for_the_token(server: Server) -> None:
    document = server.http.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert bool(operation.get("security")) == path.startswith("/v1/admin")


def test_the_document_names_every_member_of_an_item(server: Server) -> None:
    document = server.http.get("/openapi.json").json()
    named = set(document["components"]["schemas"]["Item"]["properties"])
    assert all(set(item) == named for item in server.feed(user_id=7)["items"])


EVENT = {"event_type": "like", "user_id": 7, "video_id": 12}


def accepted(name: str, value: object) -> bool:
    """Whether an event with this value is taken; what is refused must be this field."""
    only = {key: kept for key, kept in EVENT.items() if (name, key) != ("flow_id", "video_id")}
    found = parse(only | {name: value}, 0, datetime(2026, 5, 1, tzinfo=UTC))
    assert isinstance(found, Event) or found.message.startswith(f"{name}: ")
    return not isinstance(found, Rejection)


def test_the_document_names_every_field_of_an_event() -> None:
    assert set(schema.raw_schema["components"]["schemas"]["EventBody"]["properties"]) == set(FIELDS)


@pytest.mark.parametrize("name", sorted({*FIELDS} - {"event_id", "event_type", "timestamp"}))
def test_an_event_may_be_what_the_document_says_and_no_more(name: str) -> None:
    told = schema.raw_schema["components"]["schemas"]["EventBody"]["properties"][name]
    told = next((one for one in told.get("anyOf", []) if one["type"] != "null"), told)
    if told["type"] == "string":
        edges, beyond = ["x" * told["maxLength"]], ["x" * (told["maxLength"] + 1)]
    else:
        edges, beyond = [told["minimum"], told["maximum"]], [told["minimum"] - 1, told["maximum"] + 1]
    assert [accepted(name, value) for value in edges + beyond] == [True] * len(edges) + [False] * len(beyond)
