"""The seeded catalogue."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from data.checks import clean
from data.demo import FRESH_SHARE, write_catalogue
from data.demo_garbage import garbage
from data.demo_words import CLUSTERS
from data.normalise import fold
from data.sources.base import LoadError
from data.sources.embedded import EmbeddedSource
from data.tables import TABLES, Tables

TODAY = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def rows_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(path)
    found = {spec.name: connection.execute(f"SELECT * FROM {spec.name}").fetchall() for spec in TABLES}
    connection.close()
    return found


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    path = tmp_path_factory.mktemp("demo") / "catalogue.sqlite"
    return clean(EmbeddedSource(path, seed=5, clock=lambda: TODAY).load())


def test_the_same_seed_and_day_give_the_same_rows_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        write_catalogue(tmp_path / name, seed, TODAY)
    assert rows_of(tmp_path / "one") == rows_of(tmp_path / "two") != rows_of(tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other", "two"]


def test_it_has_the_promised_size(catalogue: Tables) -> None:
    counts = {spec.name: catalogue.rows(spec.name) for spec in TABLES}
    wanted = {"users": 2_000, "videos": 5_000, "interactions": 60_000, "connections": 5_000, "flows": 80}
    assert all(abs(counts[table] / wanted[table] - 1) < 0.05 for table in wanted), counts
    assert 300 <= catalogue.videos["user_id"].nunique() <= 900


def test_every_kind_of_garbage_is_left_out_and_counted(catalogue: Tables) -> None:
    assert {table: set(reasons) for table, reasons in catalogue.quarantine.items()} == {
        "users": {"no_id", "bad_id", "duplicate_id"},
        "videos": {
            "no_id", "no_creator", "no_url", "unreadable_views", "negative_views", "negative_exhibited_count",
            "future_created_at", "duplicate_id",
        },
        "interactions": {
            "no_user", "no_video", "unknown_video", "rating_out_of_range", "unreadable_rating", "future_created_at",
        },
        "connections": {"no_user", "no_connected_user", "self_connection"},
        "flows": {"no_id", "no_creator", "no_url", "future_created_at", "duplicate_id"},
    }  # fmt: skip
    assert set(garbage(TODAY)) == {spec.name for spec in TABLES}


def test_viewers_watch_mostly_what_shares_a_skill_cluster_with_them(catalogue: Tables) -> None:
    cluster = {fold(skill): number for number, one in enumerate(CLUSTERS) for skill in one.skills}
    of_user = {row.id: cluster.get(fold(row.skills[0])) for row in catalogue.users.itertuples() if row.skills}
    of_video = {
        row.id: cluster.get(fold(row.video_skills[0])) for row in catalogue.videos.itertuples() if row.video_skills
    }
    acts = catalogue.interactions
    pairs = pd.DataFrame({"user": acts["user_id"].map(of_user), "video": acts["video_id"].map(of_video)}).dropna()
    assert 0.5 < (pairs["user"] == pairs["video"]).mean() < 0.95


def test_popularity_is_skewed_ratings_are_mostly_good_and_some_videos_are_fresh(catalogue: Tables) -> None:
    views = catalogue.videos["views"].sort_values(ascending=False)
    assert views.iloc[:500].sum() > 0.35 * views.sum()
    assert (catalogue.interactions["rating"].dropna() >= 3).mean() > 0.9
    fresh = catalogue.videos["created_at"] > pd.Timestamp(TODAY.replace(tzinfo=None) - timedelta(days=45))
    assert abs(fresh.mean() - FRESH_SHARE) < 0.05


def test_every_user_of_a_city_is_in_its_country(catalogue: Tables) -> None:
    places = catalogue.users.iloc[:2000].groupby("city")["country"].nunique()
    assert (places == 1).all()
    assert len(places) > 20


def test_a_catalogue_made_last_month_stays_as_fresh_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "catalogue.sqlite"
    first = EmbeddedSource(path, clock=lambda: TODAY).load()
    later = EmbeddedSource(path, clock=lambda: TODAY + timedelta(days=30)).load()
    assert first.as_of == later.as_of == TODAY


def test_a_broken_embedded_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(LoadError, match=r"catalogue\.sqlite cannot be read .* remove it"):
        EmbeddedSource(path, clock=lambda: TODAY).load()


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LoadError, match="DATA_DIR"):
        EmbeddedSource(tmp_path / "file" / "catalogue.sqlite", clock=lambda: TODAY).load()
