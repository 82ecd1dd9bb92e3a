"""docs/configuration.md and docs/http.md say what the code does, and the reverse."""

import re
from dataclasses import fields

from prometheus_client import REGISTRY

from api import metrics
from api.app import routes
from api.errors import CODES
from api.settings import Settings
from engine.config import EngineConfig
from tests.api.server import ROOT, Server

CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
HTTP = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")


def rows(page: str) -> list[list[str]]:
    """The cells of every table's rows whose first cell is in backticks."""
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_setting_is_documented_with_its_default_and_meaning() -> None:
    documented = {cells[0].strip("`"): cells[1:] for cells in rows(CONFIGURATION)}
    assert list(documented) == [name.upper() for name in Settings.model_fields]
    for name, field in Settings.model_fields.items():
        default, meaning = documented[name.upper()]
        value = field.get_default()
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        assert default == ("-" if value in (None, "") else f"`{shown}`")
        assert meaning.startswith(field.description or "?")


def test_every_bound_of_the_engines_numbers_is_documented() -> None:
    documented = {cells[0].strip("`"): cells[2] for cells in rows(CONFIGURATION)}
    for entry in fields(EngineConfig):
        low, high = entry.metadata["low"], entry.metadata["high"]
        assert low is None or documented[entry.name.upper()].endswith(f"; {low:g} to {high:g}")


def test_every_setting_in_an_example_is_one() -> None:
    for environment in ("staging", "production"):
        example = (ROOT / "credentials" / f".env.{environment}.example").read_text()
        names = re.findall(r"^([A-Z_]+)=", example, flags=re.MULTILINE)
        assert set(names) <= {name.upper() for name in Settings.model_fields}
        assert f"ENVIRONMENT={environment}" in example


def test_every_route_is_documented() -> None:
    documented = {(cells[0].strip("`"), cells[1].strip("`")) for cells in rows(HTTP) if cells[0].strip("`").isupper()}
    assert documented == {(method, route.path) for route in routes() for method in route.methods or ()}


def test_every_code_of_an_error_is_documented() -> None:
    documented = {name for cells in rows(HTTP.replace("\n| 4", "\n| `4`").replace("\n| 5", "\n| `5`")) for name in
                  re.findall(r"`([a-z_]+)`", cells[1])}  # fmt: skip
    sources = "".join(path.read_text() for path in (ROOT / "api").rglob("*.py"))
    raised = set(re.findall(r'code="([a-z_]+)"', sources)) | {code for code, _ in CODES.values()}
    assert raised - {"unavailable"} <= set(re.findall(r"`([a-z_]+)`", HTTP))
    assert documented


def test_every_metric_is_documented() -> None:
    documented = {cells[0].strip("`") for cells in rows(HTTP) if cells[0].startswith("`talentfeed_")}
    ours = {sample for family in REGISTRY.collect() if family.name.startswith("talentfeed_") for sample in
            [family.name + ("_total" if family.type == "counter" else "")]}  # fmt: skip
    assert metrics.requests
    assert documented == ours


def test_the_page_of_the_documentation_needs_no_other_host(server: Server) -> None:
    page = server.http.get("/docs").text
    assert "//" not in re.sub(r"^\s*//.*|<!--.*-->", "", page, flags=re.MULTILINE).replace("<!DOCTYPE html>", "")
    for path in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert server.http.get(path).status_code == 200
    assert server.http.get("/openapi.json").status_code == 200
