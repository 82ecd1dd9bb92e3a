"""What the pages say is what the code does, and the reverse."""

import re

from engine.build import build
from engine.config import EngineConfig
from engine.features import FEATURES, NAMES
from engine.pools.table import POOLS
from engine.rules.table import RULE_NAMES, RULES
from tests.engine.build.worlds import tables
from tests.repository.files import ROOT, document, relative, tracked

LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)(#[^)]*)?\)")


def first_cells(text: str, column: int = 0) -> list[str]:
    """Names in backticks of one column of a page's tables, in order."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    cells = [row[column] for row in rows if len(row) > column]
    return [name for cell in cells if cell.strip().startswith("`") for name in re.findall(r"`([^`]+)`", cell)]


def test_links_lead_somewhere() -> None:
    links = [(page, link) for page in tracked(".md") for link, _ in LINK.findall(page.read_text(encoding="utf-8"))]
    assert links
    lost = [(relative(page), link) for page, link in links if "://" not in link and not (page.parent / link).exists()]
    assert not lost


def test_every_feature_is_documented_in_its_order() -> None:
    page = document("features.md")
    assert first_cells(page, column=1) == list(NAMES)
    rows = [line for line in page.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [row.split("|")[3].strip() for row in rows] == [feature.of.value for feature in FEATURES]


def test_every_pool_is_documented() -> None:
    assert set(first_cells(document("add-a-pool.md"))) == set(POOLS)


def test_every_rule_is_documented_and_says_whether_it_gives_way() -> None:
    page = document("add-a-rule.md")
    assert first_cells(page) == list(RULE_NAMES)
    for rule in RULES:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{rule.name}`")]
        assert row.rstrip("| ").split("|")[-1].strip().startswith("yes" if rule.relaxes else "never")


def test_every_array_of_a_snapshot_is_documented_with_its_type() -> None:
    arrays, _ = build(tables(), EngineConfig())
    page = document("snapshot.md")
    assert set(first_cells(page)) == set(arrays)
    for line in (line for line in page.splitlines() if line.startswith("| `")):
        names, types = first_cells(line), line.split("|")[2].replace(" ", "").split(",")
        assert [str(arrays[name].dtype) for name in names] == (types * len(names))[: len(names)]


def test_every_make_target_is_in_the_readme_or_contributing() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE)
    pages = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))
    assert not [target for target in targets if f"make {target}" not in pages]


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/adr").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
