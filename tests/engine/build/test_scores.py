"""Every video feature is finite, within its range, and moves the way its name says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.tables import Tables
from engine.build import build, scores
from engine.config import EngineConfig
from engine.features import FEATURES, INDEX, VIDEO_COLUMNS
from tests.engine.build.worlds import days_ago, tables, user, video

CONFIG = EngineConfig()
ROW = {FEATURES[column].name: row for row, column in enumerate(VIDEO_COLUMNS)}
SKILLS = ["Piano", "Guitar", "Singing", "Ballet", "Salsa", "Juggling"]

counts = st.integers(0, 10**9)


@st.composite
def video_rows(draw: st.DrawFn, video_id: int) -> dict[str, Any]:
    """Any clean video row."""
    ratings = draw(st.integers(0, 1000))
    return video(
        video_id,
        draw(st.integers(1, 4)),
        video=draw(st.sampled_from([None, "", "https://cdn.example/a.mp4", "soon"])),
        views=draw(counts),
        video_skills=draw(st.lists(st.sampled_from(SKILLS), unique=True)),
        created_at=draw(st.one_of(st.none(), st.floats(0, 5000).map(days_ago))),
        rating_count=ratings,
        avg_rating=draw(st.floats(1, 5)) if ratings else float("nan"),
        like_count=draw(counts),
        connection_count=draw(counts),
        exhibited_count=draw(counts),
        broken_reports=draw(st.integers(0, 10)),
    )


@st.composite
def catalogues(draw: st.DrawFn) -> Tables:
    """One to six videos, and who is connected to whom."""
    rows = [draw(video_rows(i)) for i in range(1, draw(st.integers(1, 6)) + 1)]
    pairs = draw(st.lists(st.sampled_from([(1, 2), (1, 3), (2, 3), (3, 4)]), unique=True))
    return tables(videos=rows, users=[user(i) for i in range(1, 4)], connections=pairs)


def features(world: Tables) -> np.ndarray:
    """The feature matrix of a world, shape (13, videos)."""
    return build(world, CONFIG)[0]["video_features"]


@settings(max_examples=30, deadline=None)
@given(catalogues())
def test_every_feature_is_finite_and_within_its_range(world: Tables) -> None:
    values = features(world)
    assert values.dtype == np.float32 and np.isfinite(values).all() and (values >= 0).all()
    for row, column in enumerate(VIDEO_COLUMNS):
        assert (values[row] <= FEATURES[column].at_most).all(), FEATURES[column].name


# what is raised, and the features that must not fall for it
RISES = [
    ("views", 1000, ["score_engagement", "score_popularity", "log_views"]),
    ("like_count", 1000, ["score_popularity", "like_count"]),
    ("connection_count", 1000, ["score_engagement"]),
    ("exhibited_count", 1000, ["exhibited_count"]),
    ("rating_count", 1000, ["rating_count"]),
]


@settings(max_examples=30, deadline=None)
@given(catalogues(), st.sampled_from(RISES))
def test_counted_features_rise_with_what_they_count(world: Tables, rise: tuple[str, int, list[str]]) -> None:
    column, step, names = rise
    raised = world.videos.copy()
    raised.loc[0, column] += step
    before, after = features(world), features(replace(world, videos=raised))
    for name in names:
        assert after[ROW[name], 0] >= before[ROW[name], 0] - 1e-6, name


@settings(max_examples=30, deadline=None)
@given(catalogues(), st.floats(0, 4))
def test_rating_features_rise_with_the_mean_rating(world: Tables, step: float) -> None:
    rated = world.videos.assign(rating_count=world.videos["rating_count"] + 1)
    rated["avg_rating"] = rated["avg_rating"].fillna(1.0)
    raised = rated.copy()
    raised.loc[0, "avg_rating"] = min(5.0, rated.loc[0, "avg_rating"] + step)
    before, after = features(replace(world, videos=rated)), features(replace(world, videos=raised))
    for name in ("rating", "score_quality", "passes_quality_gate", "score_engagement"):
        assert after[ROW[name], 0] >= before[ROW[name], 0] - 1e-6, name


@settings(max_examples=30, deadline=None)
@given(catalogues(), st.integers(1, 100))
def test_an_older_video_is_less_fresh_and_has_less_per_day(world: Tables, days: int) -> None:
    dated = world.videos.assign(created_at=world.videos["created_at"].fillna(days_ago(10)))
    aged = dated.copy()
    aged.loc[0, "created_at"] -= pd.Timedelta(days=days)
    before, after = features(replace(world, videos=dated)), features(replace(world, videos=aged))
    for name in ("score_temporal", "score_popularity"):
        assert after[ROW[name], 0] <= before[ROW[name], 0] + 1e-6, name


@pytest.mark.parametrize("shared", range(6))
def test_more_skills_are_more_diverse_and_rarer_skills_are_rarer(shared: int) -> None:
    rows = [video(1, video_skills=SKILLS[:shared]), video(2, video_skills=SKILLS[: shared + 1]), video(3)]
    values = features(tables(videos=rows))
    assert values[ROW["skill_diversity"], 1] > values[ROW["skill_diversity"], 0]
    assert values[ROW["skill_rarity"], 1] >= values[ROW["skill_rarity"], 0]
    assert values[ROW["skill_rarity"], 2] == values[ROW["skill_diversity"], 2] == 0


def test_influence_is_the_creators() -> None:
    rows = [video(1, 1), video(2, 2), video(3, 99)]
    world = tables(videos=rows, users=[user(i) for i in (1, 2, 3)], connections=[(1, 2), (1, 3)])
    values = features(world)[ROW["social_influence"]]
    assert values[0] == 1 and 0 < values[1] < 1 and values[2] == 0


@pytest.mark.parametrize(
    "given_row",
    [{"video": None}, {"video": "soon"}, {"avg_rating": 1.0, "rating_count": 50}, {"broken_reports": 3}],
    ids=str,
)
def test_the_gate_holds_back_what_is_bad_or_cannot_be_played(given_row: dict[str, Any]) -> None:
    good = [video(i, avg_rating=4.5, rating_count=20) for i in (1, 2, 3)]
    gate = features(tables(videos=[*good, video(4, **given_row)]))[ROW["passes_quality_gate"]]
    assert gate.tolist() == [1, 1, 1, 0]


def test_a_freshness_half_life_is_thirty_days() -> None:
    world = tables(videos=[video(1, created_at=days_ago(30)), video(2, created_at=days_ago(0))])
    assert features(world)[ROW["score_temporal"]].tolist() == pytest.approx([0.5, 1.0])


def test_few_ratings_are_shrunk_to_the_catalogues_mean() -> None:
    shrunk = scores.shrunk_rating(np.array([5.0, 5.0, 1.0]), np.array([1.0, 100.0, 100.0]), prior=5.0)
    assert 3.0 < shrunk[0] < shrunk[1] < 5.0


def test_features_are_built_in_the_declared_order() -> None:
    values = features(tables(videos=[video(1, views=20, exhibited_count=4), video(2, exhibited_count=8)]))
    assert VIDEO_COLUMNS[ROW["log_views"]] == INDEX["log_views"]
    assert values[ROW["log_views"], 0] == pytest.approx(np.log(21) / 10)
    assert values[ROW["exhibited_count"]].tolist() == [0.5, 1.0]
