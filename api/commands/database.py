"""`talentfeed db init|check`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from api import services
from api.commands.common import CommandError, Json, say, say_json, settings
from api.settings import ServiceSettings
from tracking.sink import Sink, SinkUnavailableError

app = typer.Typer(help="The service's own tables and the app's five.", no_args_is_help=True)


@app.command()
def init(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the SQL and change nothing.")] = False,
) -> None:
    """Create `activity_log` and `feed_log` where they are absent. The app's own tables are never touched."""
    if dry_run:
        from tracking.log_tables import schema_sql

        say(schema_sql().rstrip())
        return
    with opened(settings()) as found:
        found.create_tables()
    say("activity_log and feed_log are there")


@app.command()
def check(json: Json = False) -> None:
    """Load and check the five tables without publishing anything: rows, and what would be quarantined."""
    from data.checks import clean

    with services.source(settings()) as source:
        tables = clean(source.load())
    names = ("users", "videos", "interactions", "connections", "flows")
    rows = {name: tables.rows(name) for name in names}
    quarantine = {table: dict(reasons) for table, reasons in tables.quarantine.items() if reasons}
    if json:
        say_json({"source": tables.source, "as_of": tables.as_of, "rows": rows, "quarantine": quarantine})
        return
    say(f"{tables.source} as of {tables.as_of:%Y-%m-%d %H:%M:%S} UTC")
    for name, number in rows.items():
        left_out = ", ".join(f"{reason} {count}" for reason, count in quarantine.get(name, {}).items())
        say(f"{name}: {number} rows" + (f"; quarantined: {left_out}" if left_out else ""))


@contextmanager
def opened(settings: ServiceSettings) -> Iterator[Sink]:
    """The logs' database, through a tunnel of its own where there is one. Raises CommandError when it is away."""
    from api.pipeline import sink

    tunnel = services.tunnel(settings, "mysql").start() if settings.ssh_host and not settings.embedded else None
    try:
        found = sink(settings, tunnel)
        yield found
        found.close()
    except SinkUnavailableError as error:
        raise CommandError(str(error)) from error
    finally:
        if tunnel:
            tunnel.close()
