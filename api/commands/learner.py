"""`talentfeed learner rebuild`."""

import sys

import typer

from api.commands.common import Json, say, say_json, settings
from api.commands.database import opened
from api.services import half_lives

app = typer.Typer(help="From the logs to what the bandits know.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """From the logs to what the bandits know."""


@app.command()
def rebuild(json: Json = False) -> None:
    """Learn all of the logs again from nothing; the service goes on with what it has until that is done."""
    from tracking.learner import Learner

    read, terminal = settings(), sys.stderr.isatty() and not json
    with opened(read) as sink:
        learner = Learner(sink, read.data_dir / "policies", half_lives=half_lives(read))
        done = learner.rebuild(_tell if terminal else lambda rows: None)
    if terminal:
        sys.stderr.write("\n")
    if json:
        say_json({"version": done.version, "rows": done.rows, "updates": learner.state.updates,
                  "unattributed": done.unattributed})  # fmt: skip
    else:
        say(f"policy {done.version} was learnt from {done.rows} rows and is live")


def _tell(rows: int) -> None:
    sys.stderr.write(f"\r{rows} rows ...")
    sys.stderr.flush()
