"""docs/http.md and credentials/ say what the code does, and the reverse."""

import re

from api.app import routes
from api.errors import CODES
from api.settings import Settings
from tests.api.server import ROOT, Server

CODE = re.compile(r"`([a-z_]+)`")
HTTP = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")


def rows(page: str) -> list[list[str]]:
    """The cells of every table's rows whose first cell is in backticks."""
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_setting_in_an_example_is_one() -> None:
    for environment in ("staging", "production"):
        example = (ROOT / "credentials" / f".env.{environment}.example").read_text()
        names = re.findall(r"^([A-Z_]+)=", example, flags=re.MULTILINE)
        assert set(names) <= {name.upper() for name in Settings.model_fields}
        assert f"ENVIRONMENT={environment}" in example


def test_every_route_is_documented() -> None:
    documented = {(cells[0].strip("`"), cells[1].strip("`")) for cells in rows(HTTP) if cells[0].strip("`").isupper()}
    assert documented == {(method, route.path) for route in routes() for method in route.methods or ()}


def test_every_code_of_an_error_is_documented_and_the_reverse() -> None:
    table = HTTP[HTTP.index("| status | `code` |") : HTTP.index("A client's `X-Request-ID`")]
    documented = {name for line in table.splitlines()[2:] if "|" in line for name in CODE.findall(line.split("|")[2])}
    sources = "".join(path.read_text() for path in (ROOT / "api").rglob("*.py"))
    raised = set(re.findall(r'"?code"?[=:] ?"([a-z_]+)"', sources)) | {code for code, _ in CODES.values()}
    assert documented == raised - {"unavailable", "error"}


def test_the_page_of_the_documentation_needs_no_other_host(server: Server) -> None:
    page = server.http.get("/docs").text
    assert "//" not in re.sub(r"^\s*//.*|<!--.*-->", "", page, flags=re.MULTILINE).replace("<!DOCTYPE html>", "")
    for path in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert server.http.get(path).status_code == 200
    assert server.http.get("/openapi.json").status_code == 200
