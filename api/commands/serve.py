"""`talentfeed serve`."""

from enum import StrEnum
from typing import Annotated

import typer

from api import services


class Role(StrEnum):
    """What this machine does."""

    ALL = "all"
    SERVE = "serve"
    WORK = "work"


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (HOST).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on (PORT).")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Serve processes (WORKERS).")] = None,
    role: Annotated[
        Role, typer.Option(help="`serve`: HTTP alone; `work`: builds, flushes and learns; `all`: both.")
    ] = Role.ALL,
) -> None:
    """Serve feeds over HTTP, and do the work behind it, until SIGTERM or Ctrl-C."""
    from api import preflight
    from api.supervisor import Supervisor

    settings = preflight.loaded(role.value, host=host, port=port, workers=workers)
    services.log(settings)
    preflight.check(settings, role.value)
    raise typer.Exit(Supervisor(settings, role.value).run())
