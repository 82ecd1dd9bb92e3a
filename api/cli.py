"""The command line. Exit codes: 0 done, 1 failed, 2 wrong settings or usage. An error is one line, never a trace."""

import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import orjson
import typer

from api.commands import (
    bandits,
    config,
    database,
    dead_letters,
    doctor,
    flush,
    learner,
    quality,
    reload,
    serve,
    snapshots,
    status,
)
from api.settings import SettingsError

logger = logging.getLogger(__name__)
FAILED, BAD_SETTINGS, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="talentfeed",
    help="The feed engine of a talent-video app: serve it, reload its data, look at how it does.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _tell_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"talentfeed {version('talentfeed')}\n")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """The feed engine of a talent-video app: serve it, reload its data, look at how it does."""


app.command("serve")(serve.serve)
app.command("reload")(reload.reload)
app.command("status")(status.status)
app.command("quality")(quality.quality)
app.command("doctor")(doctor.doctor)
app.command("flush")(flush.flush)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(bandits.app, name="bandits")
app.add_typer(learner.app, name="learner")
app.add_typer(config.app, name="config")
app.add_typer(database.app, name="db")
app.add_typer(snapshots.app, name="snapshots")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=words, prog_name="talentfeed")
    except SettingsError as error:
        _tell([f"{problem.setting}: {problem.reason}" for problem in error.problems], "--json" in words)
        sys.exit(BAD_SETTINGS)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(FAILED)
    except Exception as error:
        logger.debug("command failed", exc_info=True)
        known = isinstance(error, OSError) or type(error).__module__.split(".")[0] in (
            "api",
            "data",
            "engine",
            "tracking",
        )
        _tell(
            [str(error) if known else f"a mistake of the program: {type(error).__name__}: {error}"], "--json" in words
        )
        sys.exit(FAILED)


def _tell(problems: list[str], json: bool) -> None:
    """Name the problems: on stderr for people, as JSON on stdout for programs."""
    if json:
        sys.stdout.write(orjson.dumps({"ok": False, "problems": problems}).decode() + "\n")
    else:
        sys.stderr.write("".join(f"talentfeed: {' '.join(problem.split())}\n" for problem in problems))


if __name__ == "__main__":
    main()
