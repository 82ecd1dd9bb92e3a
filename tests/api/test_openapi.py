"""/openapi.json is true: requests made from it are answered as it says."""

from typing import Any

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
