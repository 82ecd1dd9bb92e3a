"""Pictures and page of the curves: drawn from the data that lie beside them, well-formed, on light and dark."""

import doctest
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from benchmarks import curves
from benchmarks.curves import chart, page, svg
from benchmarks.curves.chart import Axis, Chart, Series, Sheet

SVG = "{http://www.w3.org/2000/svg}"
MEASURED = Series.of("measured <&>", [(1_000, 0.34567), (10_000, 0.5), (1_000_000, 6.0)])
LIMIT = Series.of("limit", [(1_000, 0.004), (1_000_000, 4.0)], limit=True)


def a_chart(log: bool = True) -> Chart:
    """Two lines."""
    return Chart("feeds", "Feeds & more", Axis("videos", log), Axis("milliseconds", log), [MEASURED, LIMIT])


@pytest.mark.parametrize("log", [True, False])
def test_a_chart_is_well_formed_with_every_point_within_the_axes_in_order(log: bool) -> None:
    root = ElementTree.fromstring(svg.draw(a_chart(log)))
    marks = [(float(one.attrib["cx"]), float(one.attrib["cy"])) for one in root.iter(f"{SVG}circle")]
    assert len(marks) == len(MEASURED.points)
    assert all(svg.LEFT <= x <= svg.WIDTH - svg.RIGHT and svg.TOP <= y <= svg.HEIGHT - svg.BOTTOM for x, y in marks)
    assert marks == sorted(marks)
    assert [y for _, y in marks] == sorted((y for _, y in marks), reverse=True)
    assert len(list(root.iter(f"{SVG}polyline"))) == 2


def test_a_chart_names_its_axes_lines_and_title_and_has_colours_for_dark_pages() -> None:
    drawn = svg.draw(a_chart())
    words = {element.text for element in ElementTree.fromstring(drawn).iter(f"{SVG}text")}
    assert {"Feeds & more", "videos", "milliseconds", "measured <&>", "limit", "1 M"} <= words
    assert "prefers-color-scheme: dark" in drawn


def test_no_number_stands_beside_the_picture_whatever_the_values() -> None:
    for low, high in ((0.001, 0.002), (1, 1), (3, 7), (0.4, 90), (20_000, 2_000_000), (1, 1e9)):
        ticks = svg.logarithmic(low, high)
        assert ticks[0] <= low <= high <= ticks[-1]
        assert 2 <= len(ticks) <= 12
        assert svg.linear(high)[-1] >= high


def test_data_are_read_back_as_they_were_saved(tmp_path: Path) -> None:
    sheet = Sheet("memory", "Memory", ["videos", "MB"], [["10", "1"]], note="on a desk")
    for curve in (a_chart(), sheet):
        chart.save(curve, tmp_path)
        assert chart.load(tmp_path / f"{curve.name}.json") == curve


def test_a_table_has_a_row_for_each_x_and_gaps_where_a_line_has_no_point() -> None:
    rows = a_chart().table().splitlines()
    assert rows[0] == "| videos | measured <&> | limit |"
    assert rows[2:] == ["| 1 k | 0.346 | 0.004 |", "| 10 k | 0.5 |  |", "| 1 M | 6 | 4 |"]


def test_a_page_is_filled_between_its_marks_alone_and_filling_it_again_changes_nothing() -> None:
    text = "before\n<!-- curve: feeds -->\nold\n<!-- end of curve -->\nafter\n"
    once = page.filled(text, {"feeds": a_chart()}, "pictures")
    assert once.startswith("before\n<!-- curve: feeds -->\n![Feeds & more](pictures/feeds.svg)\n")
    assert once.endswith("<!-- end of curve -->\nafter\n")
    assert "old" not in once
    assert page.filled(once, {"feeds": a_chart()}, "pictures") == once


def test_the_pictures_and_the_page_that_are_kept_are_those_of_the_data_beside_them() -> None:
    kept = curves.kept()
    pictures = {path.stem: path.read_text(encoding="utf-8") for path in curves.FOLDER.glob("*.svg")}
    assert pictures == {name: svg.draw(one) for name, one in kept.items() if isinstance(one, Chart)}
    text = curves.PAGE.read_text(encoding="utf-8")
    assert page.filled(text, kept, curves.FOLDER.name) == text
    assert set(re.findall("<!-- curve: ([a-z_]+) -->", text)) == set(kept)


def test_an_unknown_curve_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert curves.main(["no-such-curve"]) == 2
    assert "no-such-curve" in capsys.readouterr().err


@pytest.mark.parametrize("module", [chart, svg])
def test_examples_in_the_modules_hold(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0
