"""`POST /v1/feed` straight from the server to the feed: the framework's layers would cost more than all the rest.

The route in `routes/feed.py` does the same and documents it; every other request goes on to the application.
"""

from typing import Any

from starlette.datastructures import State
from starlette.requests import ClientDisconnect

from api import errors, schemas
from api.middleware import Application, Message, Receive, Scope, Send

PATH = "/v1/feed"
JSON = (b"content-type", b"application/json")


class FeedDoor:
    """Answers feed requests with `state.service`; `path` is the route's name in metrics."""

    path = PATH

    def __init__(self, application: Application, state: State) -> None:
        self._application, self._state = application, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._application(scope, receive, send)
            return
        scope["route"] = self
        try:
            raw = await whole_body(receive)
            answer = await self._state.service.feeds.answer(schemas.parse_feed(schemas.json_value(raw)))
        except errors.ProblemError as problem:
            await errors.respond(problem)(scope, receive, send)
            return
        headers = [JSON, (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


async def whole_body(receive: Receive) -> bytes:
    """The request's body. Raises ClientDisconnect when the client has gone."""
    message: Message | dict[str, Any] = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        return body
    parts = []
    while message["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
    raise ClientDisconnect
