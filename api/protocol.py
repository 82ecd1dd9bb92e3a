"""uvicorn's HTTP protocol, but for what it answers to bytes that are no HTTP: a problem too, like every other error."""

import uuid

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.errors import MEDIA_TYPE


class ProblemProtocol(HttpToolsProtocol):
    """For `uvicorn.Config(http=...)`."""

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
