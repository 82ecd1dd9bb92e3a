"""Every error that leaves the service: RFC 9457 `application/problem+json`, a stable `code`, the `request_id`."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from api.logs import request_id

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"

CODES: dict[int, tuple[str, str]] = {
    400: ("malformed_json", "The body is not valid JSON"),
    401: ("unauthorized", "The admin token is missing"),
    403: ("forbidden", "The admin token is wrong"),
    404: ("not_found", "There is nothing at this address"),
    405: ("method_not_allowed", "This address does not take this method"),
    413: ("body_too_large", "The body is larger than 1 MiB"),
    415: ("unsupported_encoding", "The body is compressed: send it as it is"),
    422: ("invalid_request", "A field of the request is wrong"),
    429: ("too_many_requests", "Too many requests from this address"),
    500: ("internal_error", "The service made a mistake; it is in its log under the request_id"),
    503: ("unavailable", "The service cannot answer this now"),
}


class ProblemError(Exception):
    """An answer other than the asked one. `code` and `detail` default to the status's own; `errors` names fields."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        code: str = "",
        errors: Sequence[Mapping[str, str]] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.code = status, detail, code
        self.errors, self.retry_after = errors, retry_after


def field_problem(field: str, message: str) -> ProblemError:
    """422 for one field."""
    return invalid([{"field": field, "message": message}])


def invalid(found: Sequence[Mapping[str, str]]) -> ProblemError:
    """422 for one or more fields, each `{"field", "message"}`; the first one is the detail."""
    return ProblemError(422, f"{found[0]['field']}: {found[0]['message']}", errors=found)


def body(problem: ProblemError) -> bytes:
    """The problem as JSON."""
    code, detail = CODES.get(problem.status, ("error", ""))
    content: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "code": problem.code or code,
        "detail": problem.detail or detail,
        "request_id": request_id.get(),
    }
    if problem.errors:
        content["errors"] = list(problem.errors)
    return orjson.dumps(content)


def respond(problem: ProblemError, headers: Mapping[str, str] | None = None) -> Response:
    """The problem as an HTTP answer."""
    extra = dict(headers or {})
    if problem.retry_after is not None or problem.status in (429, 503):
        extra["Retry-After"] = str(problem.retry_after or 1)
    if problem.status == 401:
        extra["WWW-Authenticate"] = "Bearer"
    return Response(body(problem), problem.status, extra, MEDIA_TYPE)


def from_details(details: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Fields out of pydantic's errors; one inside a list is written `events[3].user_id`."""
    return [{"field": _path(entry["loc"]), "message": _message(entry)} for entry in details[:100]]


def _message(entry: Mapping[str, Any]) -> str:
    return str(entry["msg"]).removeprefix("Value error, ")


def _path(location: Sequence[int | str]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path or "body"


async def _on_problem(request: Request, error: Exception) -> Response:
    return respond(error) if isinstance(error, ProblemError) else respond(ProblemError(500))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """404 and 405 of the router."""
    if not isinstance(error, HTTPException):
        return respond(ProblemError(500))
    headers = {"Allow": ", ".join(_methods(request))} if error.status_code == 405 else error.headers
    return respond(ProblemError(error.status_code), headers)


def _methods(request: Request) -> list[str]:
    """All methods that the address takes; the router's own answer names those of the first route alone."""
    routes: list[Route] = request.app.state.routes
    matching = [route for route in routes if route.path_regex.match(request.url.path)]
    methods = {method for route in matching for method in route.methods or ()}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


async def _on_validation(request: Request, error: Exception) -> Response:
    """FastAPI's own validation; the routes here check their input themselves, so this is for routes to come."""
    if not isinstance(error, RequestValidationError):
        return respond(ProblemError(500))
    return respond(invalid(from_details([{**entry, "loc": entry["loc"][1:]} for entry in error.errors()])))


def install(application: FastAPI) -> None:
    """Make every error of this application a problem."""
    application.add_exception_handler(ProblemError, _on_problem)
    application.add_exception_handler(HTTPException, _on_http_exception)
    application.add_exception_handler(RequestValidationError, _on_validation)
    application.add_exception_handler(Exception, _on_problem)
