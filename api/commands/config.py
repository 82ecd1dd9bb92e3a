"""`talentfeed config show`."""

from typing import Any

import typer
from pydantic import SecretStr

from api.commands.common import Json, say, say_json
from api.settings import ServiceSettings, Settings, warnings

app = typer.Typer(help="The settings.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The settings."""


@app.command()
def show(json: Json = False) -> None:
    """Every setting with its value; secrets are masked. Wrong ones are named, all at once, with exit code 2."""
    from api import preflight

    read = preflight.loaded()
    values = shown(read)
    if json:
        say_json({"settings": values, "warnings": warnings(read)})
        return
    width = max(map(len, values))
    for name, value in values.items():
        say(f"{name:<{width}}  {'' if value is None else value}")
    for line in warnings(read):
        say(f"warning: {line}")


def shown(settings: ServiceSettings) -> dict[str, Any]:
    """Upper-case names to printable values."""
    return {name.upper(): _plain(getattr(settings, name)) for name in Settings.model_fields}


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return "********"
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
