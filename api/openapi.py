"""What /openapi.json says of each route: answers, problems, bodies, parameters. Nothing here runs in a request."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from api import wire
from api.errors import CODES, MEDIA_TYPE
from api.schemas import FeedBody

Responses = dict[int | str, dict[str, Any]]
BODIES = (FeedBody, wire.EventsBody, wire.ViewBody)


def _problems(*statuses: int) -> Responses:
    schema = {"$ref": "#/components/schemas/ProblemAnswer"}
    return {code: {"description": CODES[code][1], "content": {MEDIA_TYPE: {"schema": schema}}} for code in statuses}


def _answers(status: int, model: type[Any], *problems: int) -> Responses:
    return {status: {"model": model, "description": (model.__doc__ or "").strip()}, **_problems(*problems)}


FEED = _answers(200, wire.FeedAnswer, 400, 413, 415, 422, 429, 500, 503)
EVENTS = _answers(202, wire.EventsAnswer, 400, 413, 415, 422, 429, 500, 503)
RELOAD = _answers(202, wire.ReloadAnswer, 401, 403, 422, 429, 500, 503) | _answers(200, wire.ReloadState)
RELOAD_STATE = _answers(200, wire.ReloadState, 401, 403, 404, 429, 500)
SNAPSHOTS = _answers(200, wire.SnapshotsAnswer, 401, 403, 429, 500)
ACTIVATED = _answers(200, wire.ActivatedAnswer, 401, 403, 404, 422, 429, 500, 503)
ALIVE = _answers(200, wire.StatusAnswer)
READY = _answers(200, wire.StatusAnswer, 503)
HEALTH = _answers(200, wire.HealthAnswer)
METRICS: Responses = {
    200: {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


def body(model: str) -> dict[str, Any]:
    """The body of a route that reads it itself."""
    schema = {"$ref": f"#/components/schemas/{model}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _parameter(name: str, schema: dict[str, Any], description: str, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": description}


_WHOLE = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
FEED_PARAMETERS: dict[str, Any] = {"parameters": [
    _parameter("user_id", _WHOLE, "the viewer", required=True),
    _parameter("excluded_ids", {"type": "string", "example": "1,2,flow:3"}, "comma-separated ids, at most 2,000"),
    _parameter("session_id", {"type": "string", "maxLength": 64, "pattern": "^[A-Za-z0-9:._-]+$"}, "of the last page"),
    _parameter("size", {"type": "integer", "minimum": 1, "maximum": 96, "default": 24}, "number of items"),
    _parameter("seed", _WHOLE, "makes the feed reproducible"),
]}  # fmt: skip


def install(application: FastAPI) -> None:
    """Serve an OpenAPI document that also holds the models of bodies which routes parse themselves."""

    def document() -> dict[str, Any]:
        if application.openapi_schema is None:
            application.openapi_schema = _document(application)
        return application.openapi_schema

    application.__dict__["openapi"] = document


def _document(application: FastAPI) -> dict[str, Any]:
    built = get_openapi(
        title=application.title, version=application.version, summary=application.summary, routes=application.routes
    )
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (model, "validation") for model in (*BODIES, wire.ProblemAnswer)
    ]
    _, definitions = models_json_schema(models, ref_template="#/components/schemas/{model}")
    schemas = built.setdefault("components", {}).setdefault("schemas", {})
    schemas |= definitions["$defs"]
    for methods in built["paths"].values():
        for operation in methods.values():
            _drop_default_validation(operation["responses"])
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return built


def _drop_default_validation(responses: dict[str, Any]) -> None:
    """FastAPI adds an answer of its own shape to every route with parameters; none is ever given."""
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]
