"""`POST /v1/events` and `POST /v1/video-views`."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import openapi, schemas
from api.routes.common import json_answer, json_body, service

router = APIRouter(tags=["events"])


@router.post(
    "/v1/events",
    status_code=202,
    summary="Activity",
    responses=openapi.EVENTS,
    openapi_extra=openapi.body("EventsBody"),
)
async def post_events(request: Request) -> Response:
    """Up to 1,000 events. What is accepted is durable; sending an event again, with its `event_id`, changes nothing."""
    return json_answer(await service(request).intake.take(schemas.event_list(await json_body(request))), 202)


@router.post(
    "/v1/video-views",
    status_code=202,
    summary="One view",
    responses=openapi.EVENTS,
    openapi_extra=openapi.body("ViewBody"),
)
async def post_video_view(request: Request) -> Response:
    """One view as the body itself; `event_type` may be left out. A wrong field is answered with 422."""
    return json_answer(await service(request).intake.take_view(await json_body(request)), 202)
