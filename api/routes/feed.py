"""`POST /v1/feed` and `GET /v1/feed`."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import openapi, schemas
from api.routes.common import json_answer, json_body, service

router = APIRouter(tags=["feed"])


@router.post("/v1/feed", summary="A feed", responses=openapi.FEED, openapi_extra=openapi.body("FeedBody"))
async def post_feed(request: Request) -> Response:
    """The next items of a viewer's feed. Send `session_id` of the last answer to get the next page."""
    return json_answer(await service(request).feeds.answer(schemas.parse_feed(await json_body(request))))


@router.get("/v1/feed", summary="A feed, by address", responses=openapi.FEED, openapi_extra=openapi.FEED_PARAMETERS)
async def get_feed(request: Request) -> Response:
    """The same as POST, with the fields in the query; `excluded_ids` is comma-separated. Never to be cached."""
    body = await service(request).feeds.answer(schemas.parse_feed(schemas.feed_query(request.query_params)))
    return json_answer(body, headers={"cache-control": "no-store"})
