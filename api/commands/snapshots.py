"""`talentfeed snapshots list|activate`."""

from typing import Annotated

import typer

from api import services
from api.commands.common import Json, say, say_json, say_table, settings

app = typer.Typer(help="Snapshots on disk.", no_args_is_help=True)


@app.command("list")
def show(json: Json = False) -> None:
    """All snapshots, the latest first."""
    from api.operations import describe

    found = [describe(info) for info in services.snapshots(settings()).list()]
    if json:
        say_json(found)
        return
    say_table(
        ("snapshot", "read at", "size", "served"),
        [(s["id"], str(s.get("as_of")), f"{s['bytes'] / 1e6:.1f} MB", "yes" if s["current"] else "") for s in found],
    )


@app.command()
def activate(snapshot_id: Annotated[str, typer.Argument(help="Of `talentfeed snapshots list`.")]) -> None:
    """Serve this snapshot: workers switch within two seconds; the next reload replaces it."""
    services.snapshots(settings()).activate(snapshot_id)
    say(f"snapshot {snapshot_id} is the current one")
