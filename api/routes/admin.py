"""Reload, its state, snapshots and rolling back. Every call carries the admin token."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from api import openapi
from api.routes.common import admin, json_answer, service

router = APIRouter(prefix="/v1/admin", tags=["admin"], dependencies=[Depends(admin)])


@router.post("/reload", status_code=202, summary="Load the data anew", responses=openapi.RELOAD)
async def post_reload(
    request: Request, wait: Annotated[bool, Query(description="answer when every worker has switched")] = False
) -> Response:
    """Ask for a new snapshot. Calls at the same time share one build."""
    reload_id = await service(request).operations.request_reload()
    if wait:
        return json_answer(await service(request).operations.wait_for(reload_id))
    return json_answer({"reload_id": reload_id, "status_url": f"/v1/admin/reloads/{reload_id}"}, 202)


@router.get("/reloads/{reload_id}", summary="State of a reload", responses=openapi.RELOAD_STATE)
async def get_reload(request: Request, reload_id: str) -> Response:
    """How far it is, what was counted and quarantined, and which generation each worker serves."""
    return json_answer(service(request).operations.reload_state(reload_id))


@router.get("/snapshots", summary="Snapshots on disk", responses=openapi.SNAPSHOTS)
async def get_snapshots(request: Request) -> Response:
    """The latest first."""
    return json_answer({"snapshots": service(request).operations.snapshots()})


@router.post("/snapshots/{snapshot_id}/activate", summary="Roll back or forth", responses=openapi.ACTIVATED)
async def post_activate(request: Request, snapshot_id: str) -> Response:
    """Serve this snapshot; workers switch within two seconds. The next reload replaces it."""
    return json_answer(await service(request).operations.activate(snapshot_id))
