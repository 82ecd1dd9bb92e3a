"""What commands share: settings, tables for people, JSON for programs."""

import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import orjson
import typer

from api import services
from api.settings import ServiceSettings, load

WIDE = 200
Json = Annotated[bool, typer.Option("--json", help="Answer with JSON.")]


class CommandError(Exception):
    """A command that failed; the message is one line."""


def settings() -> ServiceSettings:
    """The settings, with this command's log set up. Raises SettingsError."""
    read = load()
    services.log(read, output=False)
    return read


def usage(message: str) -> typer.Exit:
    """A wrong call: the message on stderr, exit code 2."""
    typer.echo(f"talentfeed: {message}", err=True)
    return typer.Exit(2)


def say(text: str) -> None:
    """A line on stdout."""
    sys.stdout.write(text + "\n")


def say_json(content: Any) -> None:
    """JSON on stdout."""
    say(orjson.dumps(content, option=orjson.OPT_INDENT_2, default=str).decode())


def say_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table for people."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    terminal = sys.stdout.isatty()
    console = Console(markup=False, highlight=False, width=None if terminal else WIDE)
    with console.capture() as text:
        console.print(table)
    say("\n".join(line.rstrip() for line in text.get().splitlines() if line.strip()))
