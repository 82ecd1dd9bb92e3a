"""Real tables in a real MariaDB behind a real sshd: they load, and what they lack does no harm."""

from collections.abc import Iterator

import numpy as np
import pytest

from data.checks import clean
from data.snapshot import SnapshotStore
from data.sources.mysql import MySQLSource
from data.sources.mysql_connection import MySQLConfig
from data.tables import TABLES, Tables
from data.tunnel import Tunnel, TunnelConfig
from engine.bandit.policy import Policy
from engine.build.build import build
from engine.config import EngineConfig
from engine.engine import Engine
from engine.feed_types import FeedRequest
from engine.quality import report, sample_viewers
from engine.world import World
from tests.engine.test_rules import REQUESTS, broken_rules
from tests.support.servers import Database, Sshd

ROWS = {"users": 1_892, "videos": 17_632, "interactions": 163_129, "connections": 25_434, "flows": 300}


@pytest.fixture(scope="module")
def ssh_server() -> Iterator[Sshd]:
    with Sshd() as server:
        yield server


@pytest.fixture(scope="module")
def tables(lastfm_database: Database, ssh_server: Sshd) -> Iterator[Tables]:
    """The cleaned Last.fm tables, loaded through the tunnel."""
    tunnel = Tunnel(
        TunnelConfig(
            name="mysql",
            ssh_host=ssh_server.host,
            ssh_port=ssh_server.port,
            ssh_user=ssh_server.user,
            key_path=ssh_server.key_path,
            known_hosts=ssh_server.known_hosts,
            remote_host=lastfm_database.host,
            remote_port=lastfm_database.port,
        )
    ).start()
    config = MySQLConfig(
        host="database.internal",
        user=lastfm_database.user,
        password=lastfm_database.password,
        db=lastfm_database.db,
    )
    yield clean(MySQLSource(config, tunnel=tunnel).load())
    tunnel.close()


def test_every_row_arrives(tables: Tables) -> None:
    assert {name: mark["rows"] for name, mark in tables.watermark.items()} == ROWS
    kept = ROWS | {"connections": 12_717}  # every friendship is there in both directions
    assert {spec.name: len(getattr(tables, spec.name)) for spec in TABLES} == kept
    assert tables.quarantine == {}
    assert tables.source.startswith("mysql database.internal:3306 (through SSH)/")


def test_sums_are_those_of_the_database(tables: Tables, lastfm_database: Database) -> None:
    video = tables.videos.loc[tables.videos["rating_count"].idxmax()]
    latest = f"SELECT COUNT(*), AVG(rating) FROM interactions WHERE video_id = {video.id} AND rating IS NOT NULL"
    likes = (
        f"SELECT COUNT(DISTINCT user_id) FROM interactions WHERE video_id = {video.id} AND interaction_type = 'like'"
    )
    count, average = lastfm_database.run(latest)[0]
    assert video.rating_count == count
    assert np.isclose(video.avg_rating, float(str(average)), atol=1e-3)
    assert video.like_count == lastfm_database.run(likes)[0][0]


def test_cities_tools_and_languages_that_nobody_has_are_empty_not_wrong(tables: Tables) -> None:
    assert tables.users["city"].isna().all()
    assert tables.videos["creator_city"].isna().all()
    assert not tables.videos["video_tools"].map(len).any()
    assert tables.videos["video_skills"].map(len).mean() > 1
    assert tables.videos["creator_name"].notna().all()


@pytest.fixture(scope="module")
def engine(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """An untrained engine over the Last.fm catalogue."""
    config, store = EngineConfig(), SnapshotStore(tmp_path_factory.mktemp("lastfm"))
    store.publish(*build(tables, config))
    return Engine(World.of(store.open_current()), Policy.untrained((1.0,)), config)


@pytest.mark.timeout(300)
def test_no_rule_is_broken_unrecorded_over_ten_thousand_requests_on_real_tables(engine: Engine) -> None:
    assert broken_rules(engine, REQUESTS, seed=21) == []


def test_feeds_are_full_and_varied_although_cities_and_tools_are_unknown(engine: Engine) -> None:
    """Only new content differs from the embedded catalogue's range: hardly an artist is younger than 45 days."""
    quality = report(engine, sample_viewers(engine.world, 300, seed=1), seed=1)
    values = {figure.name: figure.value for figure in quality.figures}
    assert values["creator_diversity"] == 1.0
    assert values["skill_diversity"] > 0.6
    feed = engine.feed(FeedRequest(user_id=int(engine.world.user_id[5]), seed=1))
    assert len(feed.items) == 24
    assert not feed.features[:, 7].any()
