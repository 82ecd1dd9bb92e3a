"""`talentfeed bandits show|freeze|unfreeze|reset|export|import`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from api.commands.common import CommandError, Json, say, say_json, say_table, settings, usage
from api.commands.database import opened
from api.services import half_lives
from api.settings import ServiceSettings
from engine.features import NAMES
from tracking.insight import PoolReport, reports, weights_of
from tracking.policies import PolicyStore
from tracking.rewards import KINDS
from tracking.state import State
from tracking.state_file import StateFileError, dump, load

app = typer.Typer(help="What the bandits know.", no_args_is_help=True)
Yes = Annotated[bool, typer.Option("--yes", help="Do it.")]
File = Annotated[Path, typer.Argument(help="An `.npz` file.")]


def store(read: ServiceSettings) -> PolicyStore:
    """The policies of this DATA_DIR."""
    return PolicyStore(read.data_dir / "policies")


@app.command()
def show(
    weights: Annotated[
        str, typer.Option(help="Try other weights of the reward, as in `like=0.5,watch=0.1`; nothing is changed.")
    ] = "",
    json: Json = False,
) -> None:
    """Per pool what was learnt: updates, theta by feature, mean reward, residual variance, exploration, entropy."""
    read = settings()
    try:
        tried = weights_of(weights)
    except ValueError as error:
        raise usage(f"--weights: {error}") from None
    found = store(read)
    state = found.load_state() or State.empty(half_lives(read))
    pools = reports(state, read.engine, tried)
    if json:
        say_json({**summary(found, state), "weights": dict(zip(KINDS, tried, strict=True)),
                  "pools": {report.pool: asdict(report) for report in pools}})  # fmt: skip
        return
    about = summary(found, state)
    say(f"policy {about['version']}" + (", frozen" if about["frozen"] else ""))
    say(f"{about['acts']} acts in the logs, {about['unattributed']} of them without a feed that showed their item")
    say_table(("", *(report.pool for report in pools)), _rows(pools))


@app.command()
def freeze() -> None:
    """Learn nothing until `unfreeze`: the present policy is served, the logs gather what happens."""
    store(settings()).freeze(True)
    say("learning is frozen")


@app.command()
def unfreeze() -> None:
    """Learn again, beginning with what the logs gathered meanwhile."""
    store(settings()).freeze(False)
    say("learning goes on")


@app.command()
def reset(yes: Yes = False, json: Json = False) -> None:
    """Forget everything. What is in the logs now teaches nobody again, unless `talentfeed learner rebuild` is run."""
    if not yes:
        raise usage("this forgets all that the bandits know (`talentfeed bandits export` keeps it): say --yes")
    from tracking.learner import Learner

    read = settings()
    with opened(read) as sink:
        done = Learner(sink, read.data_dir / "policies", half_lives=half_lives(read)).reset()
    say_json({"version": done.version}) if json else say("the bandits know nothing")


@app.command()
def export(file: File, json: Json = False) -> None:
    """Write what the bandits know, with its place in the logs, into a file."""
    read = settings()
    state = store(read).load_state() or State.empty(half_lives(read))
    fresh = file.with_name(f".{file.name}.tmp")
    fresh.write_bytes(dump(state))
    fresh.replace(file)
    say_json({"version": state.version, "file": file}) if json else say(f"policy {state.version} is in {file}")


@app.command("import")
def import_(file: File, json: Json = False) -> None:
    """Let the bandits know what a file says. From these logs it goes on where it ended; from others it is a start."""
    from tracking.learner import Learner

    read = settings()
    try:
        state = load(file)
    except StateFileError as error:
        raise CommandError(str(error)) from None
    with opened(read) as sink:
        done = Learner(sink, read.data_dir / "policies", half_lives=half_lives(read)).adopt(state)
    say_json({"version": done.version}) if json else say(f"policy {done.version} is live")


def summary(found: PolicyStore, state: State) -> dict[str, Any]:
    """The whole in a few figures."""
    return {
        "version": state.version,
        "frozen": found.frozen,
        "updates": state.updates,
        "acts": state.acts,
        "unattributed": state.unattributed,
        "watermark": {"activity_log": state.activity_row, "feed_log": state.feed_row},
        "since": {"activity_log": state.since_activity, "feed_log": state.since_feed},
    }


def _rows(pools: list[PoolReport]) -> list[tuple[str, ...]]:
    def row(name: str, *values: str) -> tuple[str, ...]:
        return name, *values

    rows = [
        row("updates", *(str(p.updates) for p in pools)),
        row("half-life, days", *(f"{p.half_life_days:g}" if p.half_life_days else "never forgets" for p in pools)),
        row("mean reward", *(f"{p.mean_reward:.4f}" for p in pools)),
        *(row(f"  {kind}", *(f"{p.mean_by_kind[kind]:.4f}" for p in pools)) for kind in KINDS),
        row("residual variance", *(f"{p.residual_variance:.4f}" for p in pools)),
        row("item deviation", *(f"{p.item_deviation:.4f}" for p in pools)),
        row("exploration width", *(f"{p.exploration_width:.4f}" for p in pools)),
        row("items examined", *(str(p.items) for p in pools)),
        row("selection entropy, bits", *(f"{p.selection_entropy:.2f}" for p in pools)),
    ]
    return rows + [row(f"theta {name}", *(f"{p.theta[name]:+.4f}" for p in pools)) for name in NAMES]
