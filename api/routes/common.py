"""What the routes share: the service behind them, bodies in, bytes out, and who is an admin."""

import hmac
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from starlette.responses import Response

from api.errors import ProblemError
from api.schemas import json_value
from api.services import Service

API_KEY = APIKeyHeader(name="X-API-Key", auto_error=False, description="the service's ADMIN_TOKEN")
BEARER = HTTPBearer(auto_error=False, description="the service's ADMIN_TOKEN")


def service(request: Request) -> Service:
    """The composed service of this worker."""
    composed: Service = request.app.state.service
    return composed


async def json_body(request: Request) -> Any:
    """The body, parsed. Raises 400 when it is not JSON, 415 when it is compressed."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ProblemError(415)
    return json_value(await request.body())


def json_answer(content: bytes | dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Ready bytes, or a small object, as the answer."""
    raw = content if isinstance(content, bytes) else orjson.dumps(content)
    return Response(raw, status, headers, media_type="application/json")


async def admin(
    request: Request,
    key: Annotated[str | None, Depends(API_KEY)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
) -> None:
    """Let only the holder of ADMIN_TOKEN pass; compared in constant time."""
    given = key or (bearer.credentials if bearer else None)
    if not given:
        raise ProblemError(401)
    if not hmac.compare_digest(given.encode("utf-8"), service(request).admin_token.encode("utf-8")):
        raise ProblemError(403)
