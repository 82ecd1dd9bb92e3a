"""uvicorn's HTTP protocol, but: requests for feeds go straight to the door; bytes that are no HTTP are answered with a
problem too, like every other error; what one connection may hold and how long it may wait is bounded, by one timer; an
offer to upgrade (Java's client makes one with every request) is passed over; and a worker that shuts down lets go of
its connections without cutting a request off.

While a worker drains, each answer says `Connection: close`, so clients go to another worker for their next request.
What is still open at the end gets a moment more: a request may be on its way on a connection that looks idle.
"""

import asyncio
import logging
import sys
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api import middleware
from api.door import URL, FeedExchange, lines, ordinary
from api.errors import ProblemError, respond
from api.identifiers import request_name
from api.logs import request_id
from api.services import Service

logger = logging.getLogger(__name__)
LINGER_SECONDS = 0.25
LONGEST_URL, LONGEST_HEAD, MOST_AHEAD = 65_535, 131_072, 128
REQUEST_SECONDS = 30.0
"""What a connection has for its first request, a client from a request's first byte to its last, and one that does not
read its answers."""


class TooManyError(Exception):
    """A client sends more than it reads answers."""


class ProblemProtocol(HttpToolsProtocol):
    """For `uvicorn.Config(http=...)`. `api.app` puts the service into the state that all connections share."""

    url = b""
    _awaited_since: float | None = None
    """Since when the client is to send more (loop time), for `_patience` seconds; None while it waits for us."""
    _patience = REQUEST_SECONDS
    _unread_since: float | None = None
    """Since when the client takes no more of its answers (loop time)."""
    _answering: Any = None
    _deaf = False
    """What comes is not understood any more, or too much."""
    _head: int | None = None
    """How much has come of a head that is not all there, after its first piece; None outside of heads."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there. A phone that has left the network never says that it is gone."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._await(REQUEST_SECONDS)
        self._look_within(self._patience)

    def data_received(self, data: bytes) -> None:
        """Bytes of a client."""
        if self._deaf:
            return
        if self._head is not None:
            self._head += len(data)
            if self._head > LONGEST_HEAD:
                self.send_400_response("")
                return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._pass_over_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("")

    def _pass_over_upgrade(self, rest: bytes) -> None:
        """Take the request without its offer to speak another protocol (RFC 9110, section 7.8): the parser has passed
        over its body, so a new one reads it again. There is nothing to CONNECT to.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("")
            return
        offered = [header for header in self.headers if header[0] != b"upgrade"]
        version = self.parser.get_http_version().encode()
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self.data_received(b"%b %b HTTP/%b\r\n%b\r\n%b" % (method, self.url, version, lines(offered), rest))

    def on_message_begin(self) -> None:
        """A request begins; what only the framework needs waits until it is known that it gets the request."""
        self._awaited_since, self._patience, self._head = self.loop.time(), REQUEST_SECONDS, 0
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """Requests for feeds go to the door, others to the framework; on a draining worker it is the last."""
        self._head = None
        if self.parser.should_upgrade():
            return
        if len(self.pipeline) >= MOST_AHEAD:
            raise TooManyError(f"more than {MOST_AHEAD} requests ahead of their answers")
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
        """All of the request is there. What of one that offers an upgrade is there is read again."""
        if self.parser.should_upgrade():
            return
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
        """The client is gone, perhaps in the middle of a request, and perhaps with others sent ahead."""
        super().connection_lost(exc)
        self.pipeline.clear()
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()
            self._answering = None
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        if isinstance(self.cycle, FeedExchange):
            self.cycle.lose()
            self.cycle = cast(Any, None)  # the two would keep each other until a collection

    def on_response_complete(self) -> None:
        """An answer is out. One timer a connection, not one an answer, looks after the time that it idles. Nothing more
        is read while requests that were sent ahead wait for their turn.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            if not self.pipeline:
                self.flow.resume_reading()  # for the rest of its body, perhaps
            return
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
        left, now = self._patience, self.loop.time()
        if self._unread_since is not None:
            left = self._unread_since + REQUEST_SECONDS - now
        elif self._awaited_since is not None and not self.flow.read_paused:
            left += self._awaited_since - now
        if left > 0:
            self._look_within(left)
        elif self._unread_since is not None:
            self.transport.abort()  # closing would wait for it to read
        else:
            super().timeout_keep_alive_handler()

    def pause_writing(self) -> None:
        """The client takes no more for now."""
        self._unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client takes more."""
        self._unread_since = None
        super().resume_writing()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answering = cycle  # `self.cycle` is the latest request, which may have been sent ahead
        super()._start_asgi_task(cycle, app)

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
        """Answer, close and account for it; the connection cannot be understood any further.

        What was asked before is answered first, and nothing after that: the client would take this for its answer.
        """
        problem = ProblemError(400, f"This is not HTTP: {sys.exception() or 'CONNECT'}", code="malformed_http")
        if len(self.url) > LONGEST_URL:
            problem = ProblemError(414, f"More than {LONGEST_URL} bytes of address", code="address_too_long")
        elif self._head is not None and self._head > LONGEST_HEAD:
            problem = ProblemError(431, f"More than {LONGEST_HEAD} bytes of head", code="head_too_long")
        self._deaf = True
        latest = self.pipeline[0][0] if self.pipeline else self.cycle
        if latest is not None and not latest.response_complete and not latest.more_body:
            latest.keep_alive = False
            logger.info("%s: %s, behind a request that is answered", self.client, problem.detail)
            return
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
