"""`python -m api.worker <descriptor>`: one serve worker on a listening socket that the supervisor holds."""

import logging
import signal
import socket
import sys

import uvicorn

from api import app, services
from api.protocol import ProblemProtocol
from api.settings import SettingsError, load

logger = logging.getLogger("api.worker")


def main() -> int:
    """Serve until told to stop; the exit code."""
    try:
        settings = load()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    services.log(settings)
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
        forwarded_allow_ips="127.0.0.1",
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
