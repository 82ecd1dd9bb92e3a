"""`talentfeed dead-letters list|retry|drop`: rows that the database refused."""

from dataclasses import asdict
from typing import Annotated

import typer

from api import pipeline
from api.commands.common import CommandError, Json, say, say_json, say_table, settings, usage
from api.commands.database import opened
from tracking.dead_letters import DeadLetter, DeadLetters
from tracking.flush import retry as write_again

app = typer.Typer(help="Rows that the database refused, with their reasons.", no_args_is_help=True)
Names = Annotated[list[str] | None, typer.Argument(help="Letters' names, as `list` shows them.", show_default=False)]


@app.command("list")
def list_letters(json: Json = False) -> None:
    """Show them, oldest first."""
    letters = pipeline.dead_letters(settings()).letters()
    if json:
        say_json([{"name": letter.name, **asdict(letter)} for letter in letters])
        return
    if letters:
        rows = [(letter.name, letter.at, letter.kind, letter.id, letter.reason) for letter in letters]
        say_table(("name", "at", "kind", "id", "reason"), rows)
    say(f"{len(letters)} dead letters")


@app.command("retry")
def retry_letters(names: Names = None, json: Json = False) -> None:
    """Write them again (all unless named), for instance after a column was widened; what the database takes is
    forgotten here. Exit code 1 when some are refused again.
    """
    read = settings()
    found = pipeline.dead_letters(read)
    letters = _chosen(found, names)
    with opened(read) as sink:
        refused = {letter.name: letter.reason for letter in write_again(letters, sink)}
    stored = found.remove({letter.name for letter in letters} - set(refused))
    if json:
        say_json({"ok": not refused, "stored": stored, "refused": refused})
    else:
        say(f"{stored} stored, {len(refused)} refused again")
        for name, reason in refused.items():
            say(f"{name}: {reason}")
    if refused:
        raise typer.Exit(1)


@app.command("drop")
def drop_letters(
    names: Names = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, for good.")] = False,
    json: Json = False,
) -> None:
    """Forget them for good: name them, or --all; needs --yes."""
    found = pipeline.dead_letters(settings())
    if bool(names) == every:
        raise usage("say which: names of letters, or --all")
    letters = _chosen(found, names)
    if not yes:
        raise usage(f"{len(letters)} letters would be gone for good: add --yes")
    dropped = found.remove({letter.name for letter in letters})
    say_json({"ok": True, "dropped": dropped}) if json else say(f"{dropped} dropped")


def _chosen(found: DeadLetters, names: list[str] | None) -> list[DeadLetter]:
    """The letters of these names, or all. Raises CommandError for a name that is not there."""
    letters = found.letters()
    unknown = set(names or ()) - {letter.name for letter in letters}
    if unknown:
        raise CommandError(f"there is no dead letter {sorted(unknown)[0]}")
    return [letter for letter in letters if not names or letter.name in names]
