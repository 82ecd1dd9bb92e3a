"""Directions of skills, videos and viewers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.build import build, skills
from engine.build.names import vocabulary
from engine.config import EngineConfig
from engine.world import video_embeddings
from tests.engine.build.worlds import act, tables, user, video

CONFIG = EngineConfig()
MUSIC, DANCE = ["Piano", "Guitar", "Singing"], ["Ballet", "Salsa", "Tango"]
names = st.lists(st.sampled_from(MUSIC + DANCE), unique=True, max_size=4)


def two_clusters() -> list[dict]:
    """Videos that mix skills within a cluster and never across."""
    lists = [[c[i], c[(i + 1) % 3]] for c in (MUSIC, DANCE) for i in range(3)]
    return [video(i, video_skills=lists[i % 6]) for i in range(1, 25)]


@settings(max_examples=40, deadline=None)
@given(st.lists(names, max_size=8), st.lists(names, max_size=4), st.integers(1, 12))
def test_embeddings_are_unit_or_zero_whatever_the_lists(of_videos: list, of_users: list, width: int) -> None:
    world = tables(
        videos=[video(i, video_skills=listed) for i, listed in enumerate(of_videos)],
        users=[user(i, skills=listed) for i, listed in enumerate(of_users)],
        acts=[act(i, i, "like") for i in range(min(len(of_videos), 3))],
    )
    arrays, _ = build(world, EngineConfig(embedding_width=width))
    for vectors in (video_embeddings(arrays), arrays["user_embedding"]):
        lengths = np.linalg.norm(vectors, axis=1)
        assert (np.isclose(lengths, 1, atol=1e-5) | (lengths == 0)).all()


def test_skills_that_stand_together_point_the_same_way() -> None:
    arrays, _ = build(tables(videos=two_clusters(), users=[user(1, skills=["piano"]), user(2)]), CONFIG)
    similarity = video_embeddings(arrays) @ arrays["user_embedding"][0]
    music = np.isin(np.arange(1, 25) % 6, (0, 1, 2))
    assert similarity[music].min() > 0.5 > 0.1 > np.abs(similarity[~music]).max()
    assert not arrays["user_embedding"][1].any()


def test_what_a_viewer_watched_moves_them_and_the_recent_counts_more() -> None:
    watched = [act(1, 1, "like", days=1), act(1, 3, "like", days=400), act(2, 1, "hide"), act(3, 3, "video_view")]
    arrays, _ = build(tables(videos=two_clusters(), acts=watched), CONFIG)
    video_of = video_embeddings(arrays)
    recent, stale = video_of[0] @ arrays["user_embedding"][0], video_of[2] @ arrays["user_embedding"][0]
    assert recent > 0.9 > 0.3 > stale
    assert not arrays["user_embedding"][1].any()
    assert arrays["user_embedding"][2] @ video_of[2] == pytest.approx(1)


def test_a_sparse_decomposition_agrees_with_a_dense_one(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(3)
    lists = [[f"s{n}" for n in np.unique(draw.integers(0, 40, 6))] for _ in range(300)]
    documents = vocabulary(pd.Series(lists)).incidence
    dense = skills.skill_vectors(documents, 8)
    monkeypatch.setattr(skills, "DENSE_LIMIT", 0)
    sparse = skills.skill_vectors(documents, 8)
    assert np.allclose(dense, sparse, atol=1e-6)


def test_a_single_long_list_does_not_take_the_directions_over() -> None:
    freak = video(99, video_skills=[f"odd {i}" for i in range(60)])
    arrays, _ = build(tables(videos=[*two_clusters(), freak]), EngineConfig(embedding_width=2))
    lengths = np.linalg.norm(video_embeddings(arrays), axis=1)
    assert (lengths[:24] > 0.99).all()


@pytest.mark.parametrize("listed", [[], ["Piano"], ["Piano", "Guitar"]], ids=["none", "one", "two"])
def test_a_vocabulary_of_almost_nothing_still_has_directions(listed: list[str]) -> None:
    arrays, _ = build(tables(videos=[video(1, video_skills=listed)], users=[user(1, skills=listed)]), CONFIG)
    assert video_embeddings(arrays)[0] @ arrays["user_embedding"][0] == pytest.approx(float(bool(listed)))
