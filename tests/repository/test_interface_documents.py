"""Settings, routes, metrics, events and rewards: the pages and the code name the same."""

import re
from dataclasses import fields

from prometheus_client import Counter, Gauge, Histogram

from api import app, metrics
from api.settings import Settings
from engine.config import EngineConfig
from tests.repository.files import document
from tests.repository.test_documents import first_cells
from tracking import rewards
from tracking.events import EVENT_TYPES, FEED_REQUEST, Event


def rows(page: str) -> list[list[str]]:
    """The cells of a page's table rows that begin with a name in backticks; `\\|` is a bar within a cell."""
    lines = [line for line in document(page).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def shown(default: object) -> str:
    """A default as a person writes it in the environment."""
    if isinstance(default, bool):
        return str(default).lower()
    return "-" if default in (None, "") else str(default)


def test_every_setting_is_documented_with_its_default_and_meaning() -> None:
    listed = {cells[0].strip("`"): (cells[1].strip("`"), cells[2]) for cells in rows("configuration.md")}
    assert set(listed) == {name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        default, meaning = listed[name.upper()]
        assert default == shown(field.default), name
        assert meaning.startswith(str(field.description)), name


def test_bounds_of_the_engines_numbers_are_documented() -> None:
    meanings = {cells[0].strip("`"): cells[2] for cells in rows("configuration.md")}
    for entry in fields(EngineConfig):
        low, high = entry.metadata["low"], entry.metadata["high"]
        assert low is None or meanings[entry.name.upper()].endswith(f"; {low:g} to {high:g}"), entry.name


def test_every_route_is_documented() -> None:
    listed = {(cells[0].strip("`"), cells[1].strip("`")) for cells in rows("http.md") if cells[1].startswith("`/")}
    offered = {(method, route.path) for route in app.routes() for method in route.methods or set()}
    assert listed == {(method, path.replace(":path}", "}")) for method, path in offered if method != "HEAD"}


def test_every_metric_is_documented() -> None:
    listed = {cells[0].strip("`").removesuffix("_total") for cells in rows("http.md") if "talentfeed_" in cells[0]}
    kept = [metric for metric in vars(metrics).values() if isinstance(metric, Counter | Gauge | Histogram)]
    assert listed == {metric.describe()[0].name for metric in kept}


def test_every_event_type_and_field_is_documented() -> None:
    documented = set(first_cells(document("events.md")))
    assert {*EVENT_TYPES, FEED_REQUEST} <= documented
    assert {field.name for field in fields(Event)} <= documented


def test_every_reward_kind_is_documented_with_its_weight() -> None:
    listed = {cells[0].strip("`"): float(cells[1]) for cells in rows("rewards.md")}
    assert listed == dict(zip(rewards.KINDS, rewards.WEIGHTS, strict=True))
