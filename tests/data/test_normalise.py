"""Names and lists as people typed them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.normalise import MAX_NAME, MAX_NAMES, distinct, fold, parse_list, tidy

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_tidying_twice_is_tidying_once_and_does_not_change_what_is_compared(text: str) -> None:
    tidied = tidy(text)
    assert tidied is None or tidy(tidied) == tidied


@pytest.mark.parametrize(
    ("one", "other"),
    [("Bogotá", "BOGOTA"), ("  São  Paulo ", "sao paulo"), ("Straße", "STRASSE"), ("ﬁlm", "Film"), ("e\u0301", "é")],
)
def test_accents_case_and_spaces_do_not_matter_in_a_comparison(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    "cell",
    [
        '["Salsa", "Piano"]',
        '"[\\"Salsa\\", \\"Piano\\"]"',
        "Salsa, Piano",
        ' Salsa ,Piano,, salsa,"SALSA"',
        '["Salsa", "Piano", ',
        "['Salsa', 'Piano']",
        '["Salsa", null, 7, {"a": 1}, ["x"], "Piano", "null", "?!"]',
        b'["Salsa", "Piano"]',
        ["Salsa", "Piano", None],
    ],
)
def test_every_way_to_write_a_list_gives_the_same_names(cell: object) -> None:
    assert parse_list(cell) == ["Salsa", "Piano"]


@pytest.mark.parametrize(
    "cell", [None, "", "  ", "null", "[]", "{", '{"a": "b"}', "{]", float("nan"), 7, "\x00\x01", "[" * 9_999]
)
def test_garbage_is_an_empty_list(cell: object) -> None:
    assert parse_list(cell) == []


@given(ANYTHING | st.binary())
def test_no_cell_raises_and_names_are_usable_and_distinct(cell: object) -> None:
    for form in (cell, _json(cell)):
        names = parse_list(form)
        assert len({fold(name) for name in names}) == len(names) <= MAX_NAMES
        assert all(tidy(name) == name and len(name) <= MAX_NAME for name in names)


def _json(cell: object) -> object:
    return cell if isinstance(cell, bytes) else json.dumps(cell)


@given(st.lists(st.text()))
def test_a_json_array_and_a_json_string_of_it_give_the_names_of_the_list(names: list[str]) -> None:
    array = json.dumps(names)
    assert parse_list(array) == parse_list(json.dumps(array)) == distinct(names)
