"""`python -m api.worker <descriptor>`: one serve worker on a listening socket that the supervisor holds.

SIGTERM drains it while it still takes connections, so that a balancer can see /readyz say no. SIGUSR1 retires it in
favour of a worker that took its place: it takes no new connection, ends those it has, and goes.
"""

import gc
import logging
import os
import signal
import socket
import sys
from types import FrameType

import uvicorn

from api import app, metrics_files, metrics_folders, services
from api.protocol import ProblemProtocol

logger = logging.getLogger("api.worker")


def main() -> int:
    """Serve until told to stop; the exit code."""
    settings = services.begin()
    listener = socket.socket(fileno=int(sys.argv[1]))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn raises what it caught once more at its end
    config = uvicorn.Config(
        app.create(settings),
        http=ProblemProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.shutdown_seconds) or 1,
        timeout_keep_alive=30,
        forwarded_allow_ips=settings.forwarded_allow_ips,
    )
    try:
        metrics_files.reserve(metrics_folders.of(settings.data_dir, "serve"), os.getpid())
    except OSError as error:
        logger.error("no room for this worker's metrics: %s", error)
        return 1
    gc.collect()
    gc.freeze()  # what was imported stays: a full collection need not look through it while requests wait
    server = uvicorn.Server(config)

    def retire(number: int, frame: FrameType | None) -> None:
        for taking in server.servers if server.started else []:
            taking.get_loop().call_soon_threadsafe(taking.close)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGUSR1, retire)
    server.run(sockets=[listener])
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
