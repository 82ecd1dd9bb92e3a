"""Is it alive, is it ready, how is it, and its numbers."""

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from api import metrics, openapi
from api.errors import ProblemError
from api.feeds import no_snapshot
from api.routes.common import json_answer, service
from api.settings import metrics_folder

router = APIRouter(tags=["health"])


@router.get("/livez", summary="The process runs", responses=openapi.ALIVE)
async def livez(request: Request) -> Response:
    """200 as long as the process answers, whatever else is broken."""
    return json_answer({"status": "alive"})


@router.get("/readyz", summary="Send requests here", responses=openapi.READY)
async def readyz(request: Request) -> Response:
    """200 with a snapshot and not draining, else 503."""
    runtime = service(request).runtime
    if runtime.draining:
        raise ProblemError(503, "This worker is shutting down", code="draining")
    if runtime.engine is None:
        raise no_snapshot(runtime)
    if runtime.warming:
        raise ProblemError(503, "This worker opens its connections", code="warming", retry_after=1)
    return json_answer({"status": "ready", "snapshot_id": runtime.snapshot_id})


@router.get("/health", summary="How it is, for people", responses=openapi.HEALTH)
async def health(request: Request) -> Response:
    """Always 200; `status` is `ok`, `degraded` or `starting`, `problems` says why."""
    return json_answer(await service(request).operations.health())


@router.get("/metrics", summary="Prometheus metrics", responses=openapi.METRICS)
async def get_metrics(request: Request) -> Response:
    """Of all processes of the service when `talentfeed serve` or gunicorn's settings started them."""
    return Response(metrics.render(metrics_folder()), media_type=CONTENT_TYPE_LATEST)
