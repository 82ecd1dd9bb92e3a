"""`talentfeed quality`."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from api import services
from api.commands.common import Json, say, say_json, say_table, settings


def quality(
    viewers: Annotated[int, typer.Option(min=1, max=100_000, help="Feeds to serve, one a viewer.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Chooses viewers and feeds.")] = 1,
    json: Json = False,
) -> None:
    """Measure the four figures of a feed's quality on the current snapshot; exit code 1 when one does not hold."""
    from data.snapshot import SnapshotError
    from engine.engine import Engine
    from engine.quality import report, sample_viewers
    from tracking.policies import PolicyStore

    read = settings()
    store = services.snapshots(read)
    if store.current_id() is None:
        raise SnapshotError("there is no snapshot yet: run `talentfeed reload` first")
    world = services.open_world(store)
    engine = Engine(world, PolicyStore(read.data_dir / "policies").load_current(), read.engine)
    measured = report(engine, sample_viewers(world, viewers, seed), seed)
    figures: list[dict[str, Any]] = [{**asdict(figure), "holds": figure.holds} for figure in measured.figures]
    if json:
        say_json({"snapshot_id": world.snapshot_id, "source": world.details.get("source"), "feeds": measured.feeds,
                  "figures": figures, "relaxed": measured.relaxed, "holds": measured.holds})  # fmt: skip
    else:
        say(f"{measured.feeds} feeds of snapshot {world.snapshot_id} ({world.details.get('source')})")
        say_table(("figure", "value", "target", "holds", "meaning"), [_row(figure) for figure in figures])
        say(
            "relaxed: "
            + (", ".join(f"{rule} {number}" for rule, number in sorted(measured.relaxed.items())) or "nothing")
        )
    if not measured.holds:
        raise typer.Exit(1)


def _row(figure: dict[str, Any]) -> tuple[str, ...]:
    high = figure["high"]
    target = f"{figure['low']:.0%} or more" if high is None else f"{figure['low']:.0%} to {high:.0%}"
    return figure["name"], f"{figure['value']:.1%}", target, "yes" if figure["holds"] else "NO", figure["meaning"]
