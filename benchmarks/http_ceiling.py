"""`python -m benchmarks.http_ceiling <descriptor> <bytes>`: FastAPI with one route that returns a constant body.

What the framework can do at best: uvicorn as the service runs it, a plain `async def` route, no work at all.
"""

import socket
import sys

import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import Response


def application(size: int) -> FastAPI:
    """`POST /v1/feed` that reads its body and answers `size` bytes."""
    app = FastAPI()
    content = b'{"session_id":null,"filler":"' + b"x" * (size - 31) + b'"}'

    @app.post("/v1/feed")
    async def feed(request: Request) -> Response:
        await request.body()
        return Response(content, media_type="application/json")

    return app


def main() -> None:
    """Serve on the socket until SIGTERM."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    config = uvicorn.Config(
        application(int(sys.argv[2])), log_config=None, access_log=False, server_header=False, lifespan="off"
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
