"""`talentfeed flush`."""

import typer

from api import pipeline, services
from api.commands.common import Json, say, say_json, settings
from api.commands.database import opened
from api.heartbeats import Heartbeats


def flush(json: Json = False) -> None:
    """Move waiting activity into the logs now; harmless while the service runs. Exit code 1 when something stops it."""
    read = settings()
    alone = not Heartbeats(read.data_dir / "workers").alive("work")
    with opened(read) as sink, services.redis_reached(read) as redis:
        flusher = pipeline.flusher(read, sink, redis)
        if alone:  # what a work process had taken before it died is free
            flusher.recover()
        report = flusher.flush()
        left = sum(entry.records for entry in flusher.waiting().values() if entry)
    if json:
        counts = {"written": report.written, "refused": report.refused, "left": left}
        say_json({"ok": not report.problems, **counts, "problems": report.problems})
    else:
        say(f"{report.written} records written, {report.refused} refused, {left} left")
        for problem in report.problems:
            typer.echo(f"talentfeed: {problem}", err=True)
    if report.problems:
        raise typer.Exit(1)
