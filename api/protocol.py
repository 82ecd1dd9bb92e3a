"""uvicorn's HTTP protocol with two changes: bytes that are no HTTP are answered with a problem too, like every other
error, and a worker that shuts down lets go of its connections without cutting a request off.

While a worker drains, each answer says `Connection: close`, so clients go to another worker for their next request.
What is still open at the end gets a moment more: a request may be on its way on a connection that looks idle.
"""

import uuid

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.errors import MEDIA_TYPE

LINGER_SECONDS = 0.25


class ProblemProtocol(HttpToolsProtocol):
    """For `uvicorn.Config(http=...)`. `api.app` puts the service into the state that all connections share."""

    def on_headers_complete(self) -> None:
        """A request begins; on a draining worker it is the connection's last."""
        super().on_headers_complete()
        if self.app_state["service"].runtime.draining:
            self.cycle.keep_alive = False

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
