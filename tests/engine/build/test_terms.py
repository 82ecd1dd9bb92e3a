"""The inverted lists of `extended_match` against its definition."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.normalise import fold
from engine.build import build
from engine.build.terms import KINDS, VIDEO_COLUMN
from engine.config import EngineConfig
from tests.engine.build.worlds import tables, user, video

names = st.lists(st.sampled_from(["Piano", "Édith", "Go", "tango"]), unique=True)
stated = st.fixed_dictionaries(dict.fromkeys(KINDS, names))
CONFIG = EngineConfig()


def expected(viewer: dict[str, list[str]], item: dict[str, list[str]]) -> float:
    """The weighted share of what the video states that the viewer has."""
    weights = {kind: getattr(CONFIG, f"match_{kind}") for kind in KINDS if item[kind]}
    have = {kind: {fold(name) for name in viewer[kind]} for kind in KINDS}
    share = {kind: sum(fold(name) in have[kind] for name in item[kind]) / len(item[kind]) for kind in weights}
    return sum(weights[kind] * share[kind] for kind in weights) / sum(weights.values()) if weights else 0.0


def matches(arrays: dict[str, np.ndarray], viewer: int) -> np.ndarray:
    """extended_match of a viewer with every video, by the inverted lists."""
    total = np.zeros(len(arrays["video_id"]))
    for term in arrays["user_term"][arrays["user_term_start"][viewer] : arrays["user_term_start"][viewer + 1]]:
        part = slice(arrays["term_start"][term], arrays["term_start"][term + 1])
        total[arrays["term_video"][part]] += arrays["term_weight"][part]
    return total


@settings(max_examples=40, deadline=None)
@given(st.lists(stated, max_size=4), st.lists(stated.map(lambda d: {k: [n.upper() for n in v] for k, v in d.items()})))
def test_inverted_lists_equal_the_definition(items: list[dict[str, Any]], viewers: list[dict[str, Any]]) -> None:
    rows = [video(i, **{VIDEO_COLUMN[kind]: listed for kind, listed in item.items()}) for i, item in enumerate(items)]
    arrays, _ = build(tables(videos=rows, users=[user(i, **viewer) for i, viewer in enumerate(viewers)]), CONFIG)
    for row, viewer in enumerate(viewers):
        found = matches(arrays, row)
        assert found == pytest.approx([expected(viewer, item) for item in items], abs=1e-6)
        assert (found <= 1 + 1e-6).all()


def test_terms_keep_their_names_and_kinds_for_reasons() -> None:
    row = video(1, video_skills=["Canción"], video_languages=["Go"])
    arrays, _ = build(tables(videos=[row], users=[user(1, skills=["Unheard of"])]), CONFIG)
    start, blob = arrays["term_name_start"], bytes(arrays["term_name"])
    assert [blob[start[i] : start[i + 1]].decode() for i in range(2)] == ["Canción", "Go"]
    assert [KINDS[kind] for kind in arrays["term_kind"]] == ["skills", "languages"]
    assert not len(arrays["user_term"])
