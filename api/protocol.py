"""uvicorn's HTTP protocol with four changes: requests for feeds go straight to the door, bytes that are no HTTP are
answered with a problem too, like every other error, a connection has one timer for all the times that it idles, and a
worker that shuts down lets go of its connections without cutting a request off.

While a worker drains, each answer says `Connection: close`, so clients go to another worker for their next request.
What is still open at the end gets a moment more: a request may be on its way on a connection that looks idle.
"""

import uuid
from typing import Any, cast

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.door import URL, FeedExchange, ordinary
from api.errors import MEDIA_TYPE
from api.services import Service

LINGER_SECONDS = 0.25


class ProblemProtocol(HttpToolsProtocol):
    """For `uvicorn.Config(http=...)`. `api.app` puts the service into the state that all connections share."""

    _idle_since: float | None = None
    """When the last answer ended (loop time); None once more has come."""

    def on_message_begin(self) -> None:
        """A request begins; what only the framework needs waits until it is known that it gets the request."""
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """Requests for feeds go to the door, others to the framework; on a draining worker it is the last."""
        service: Service = self.app_state["service"]
        draining = service.runtime.draining
        if self._is_for_the_door(service):
            keep_alive = not draining and self.parser.should_keep_alive()
            self.cycle = cast(Any, FeedExchange(self, service, self.headers, keep_alive))
            return
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()
        if draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if isinstance(self.cycle, FeedExchange):
            self.cycle.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """All of the request is there. One that upgrades the connection has no cycle: this is an earlier one's then."""
        if not isinstance(self.cycle, FeedExchange):
            super().on_message_complete()
        elif not self.cycle.begun:
            task = self.loop.create_task(self.cycle.begin())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, perhaps in the middle of a request."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        if isinstance(self.cycle, FeedExchange):
            self.cycle.lose()
            self.cycle = cast(Any, None)  # the two would keep each other until a collection

    def on_response_complete(self) -> None:
        """An answer is out. One timer a connection, not one an answer, looks after the time that it idles."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._close_idle_after(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        """More has come."""
        self._idle_since = None

    def _close_idle_after(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has idled long enough; look again when one that idles will have."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._close_idle_after(left)
        else:
            super().timeout_keep_alive_handler()

    def _is_for_the_door(self, service: Service) -> bool:
        """Whether this is a plain `POST /v1/feed`, and its turn. Who may ask how often is the framework's to say."""
        return (
            self.url == URL
            and self.parser.get_method() == b"POST"
            and (self.cycle is None or self.cycle.response_complete)
            and self.parser.get_http_version() == "1.1"
            and ordinary(self.headers)
            and not service.runtime.settings.rate_limit
        )

    def shutdown(self) -> None:
        """The worker has drained: close, but not before a request that is on its way could have come."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LINGER_SECONDS, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer and close; the connection cannot be understood any further."""
        request_id = uuid.uuid4().hex
        problem = {"type": "about:blank", "title": "Bad Request", "status": 400, "code": "malformed_http"}
        body = orjson.dumps(problem | {"detail": "This is not HTTP", "request_id": request_id})
        lines = [
            "HTTP/1.1 400 Bad Request",
            f"content-type: {MEDIA_TYPE}",
            f"content-length: {len(body)}",
            f"x-request-id: {request_id}",
            "connection: close",
        ]
        self.transport.write("\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body)
        self.transport.close()
