"""uvicorn's HTTP protocol with four changes: requests for feeds go straight to the door, bytes that are no HTTP are
answered with a problem too, like every other error, a connection has one timer for all that it waits for and waits for
no request for ever, and a worker that shuts down lets go of its connections without cutting a request off.

While a worker drains, each answer says `Connection: close`, so clients go to another worker for their next request.
What is still open at the end gets a moment more: a request may be on its way on a connection that looks idle.
"""

import asyncio
import logging
import sys
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api import middleware
from api.door import URL, FeedExchange, lines, ordinary
from api.errors import ProblemError, respond
from api.identifiers import request_name
from api.logs import request_id
from api.services import Service

logger = logging.getLogger(__name__)
LINGER_SECONDS, LONGEST_URL = 0.25, 65_535
REQUEST_SECONDS = 30.0
"""What a connection has for its first request, and a client from a request's first byte to its last."""


class ProblemProtocol(HttpToolsProtocol):
    """For `uvicorn.Config(http=...)`. `api.app` puts the service into the state that all connections share."""

    url = b""
    _awaited_since: float | None = None
    """Since when the client is to send more (loop time), for `_patience` seconds; None while it waits for us."""
    _patience = REQUEST_SECONDS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there. A phone that has left the network never says that it is gone."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._await(REQUEST_SECONDS)
        self._look_within(self._patience)

    def on_message_begin(self) -> None:
        """A request begins; what only the framework needs waits until it is known that it gets the request."""
        self._await(REQUEST_SECONDS)
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
        if self.cycle is None or self.cycle.response_complete:  # it was answered before it was all there
            self._await(self.timeout_keep_alive)
        else:
            self._awaited_since = None
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
        if self._awaited_since is None:  # the next request has not begun
            self._await(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        """More has come: what it is decides (`on_message_begin`)."""

    def _await(self, seconds: float) -> None:
        self._awaited_since, self._patience = self.loop.time(), seconds

    def _look_within(self, seconds: float) -> None:
        """Look at the latest when the shorter of the two times that can be awaited is over."""
        seconds = min(seconds, self.timeout_keep_alive, REQUEST_SECONDS)
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection whose client has had its time; look again at one whose client has not."""
        self.timeout_keep_alive_task = None
        left = self._patience
        if self._awaited_since is not None and not self.flow.read_paused:
            left += self._awaited_since - self.loop.time()
        if left > 0:
            self._look_within(left)
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
        """Answer, close and account for it; the connection cannot be understood any further."""
        problem = ProblemError(400, f"This is not HTTP: {sys.exception()}", code="malformed_http")
        if len(self.url) > LONGEST_URL:
            problem = ProblemError(414, f"More than {LONGEST_URL} bytes of address", code="address_too_long")
        name = request_name()
        token = request_id.set(name)
        answer = respond(problem)
        extra = [(b"x-request-id", name.encode("ascii")), (b"connection", b"close")]
        head = STATUS_LINE[problem.status] + lines([*answer.raw_headers, *extra])
        self.transport.write(head + b"\r\n" + bytes(answer.body))
        self.transport.close()
        logger.info("%s: %s", self.client, problem.detail)
        access_log = self.app_state["service"].runtime.settings.access_log
        middleware.account("other", "", "other", problem.status, 0.0, access_log)
        request_id.reset(token)
