"""What waits is counted and aged in /health and /metrics, also while the database hangs; a careless Redis is named."""

from typing import Any

import pytest
import redis

from tests.api.conftest import MakeServer
from tests.api.server import Server, command
from tests.support.loads import filled, staging_on
from tests.support.servers import MariaDB, Redis
from tests.support.waiting import eventually


@pytest.fixture
def settings(own_mariadb: MariaDB, redis_server: Redis) -> dict[str, str]:
    database = own_mariadb.new_database()
    filled(database)
    return {
        **staging_on(database),
        "REDIS_HOST": redis_server.host,
        "REDIS_PORT": str(redis_server.port),
        "REDIS_TIMEOUT_SECONDS": "2",  # a push that is given up on may wait in Redis and in the spool
        "REDIS_BACKLOG_BYTES": "5000",
        "FLUSH_COUNT": "1",
        "MYSQL_TIMEOUT_SECONDS": "1",
    }


def work(running: Server) -> dict[str, Any]:
    found: dict[str, Any] = running.http.get("/health").json()["work"]
    return found


def waiting(running: Server, name: str) -> int:
    entry = work(running).get("backlog", {}).get(name)
    return int(entry["records"]) if entry else 0


def likes(count: int) -> dict[str, object]:
    return {"events": [{"event_type": "like", "user_id": user, "video_id": 1} for user in range(1, count + 1)]}


def test_a_frozen_database_leaves_a_backlog_that_is_shown_bounded_and_written_later(
    make_server: MakeServer, settings: dict[str, str], own_mariadb: MariaDB, redis_server: Redis
) -> None:
    running = make_server(bare=True, **settings)
    words = {**settings, "DATA_DIR": str(running.data_dir), "LOG_DIR": str(running.log.parent)}
    assert command("db", "init", **words).returncode == 0
    running.start()
    running.wait_until()
    eventually(lambda: work(running).get("redis", {}).get("ok"))
    assert "appendfsync everysec" in work(running)["redis"]["warnings"][0]
    assert "appendfsync everysec" in running.log.read_text()
    own_mariadb.freeze()
    assert running.http.post("/v1/events", json=likes(100)).status_code == 202
    eventually(lambda: waiting(running, "redis") + waiting(running, "local") + waiting(running, "spill") == 100)
    eventually(lambda: waiting(running, "spill") > 0 and work(running)["backlog"]["spill"]["oldest_seconds"] > 2)
    eventually(lambda: work(running)["backlog"]["redis"]["bytes"] <= 5000)
    eventually(lambda: "talentfeed_backlog_events 100.0" in running.http.get("/metrics").text)
    assert "talentfeed_backlog_age_seconds" in running.http.get("/metrics").text
    eventually(lambda: running.http.get("/health").json()["problems"])
    own_mariadb.thaw()
    database = own_mariadb.database(settings["MYSQL_DB"])
    eventually(lambda: database.run("SELECT COUNT(DISTINCT event_id) FROM activity_log") == ((100,),))
    eventually(lambda: waiting(running, "spill") == 0 and waiting(running, "redis") == 0)


def test_a_redis_that_may_lose_events_is_a_problem(make_server: MakeServer, settings: dict[str, str]) -> None:
    with Redis(maxmemory_policy="allkeys-lru") as careless:
        running = make_server(bare=True, **{**settings, "REDIS_PORT": str(careless.port)}).start()
        running.wait_until("/livez")

        def told() -> bool:
            problems = " ".join(running.http.get("/health").json()["problems"])
            return "appendonly yes" in problems and "allkeys-lru" in problems

        eventually(told)
        assert "set appendonly yes" in running.log.read_text()
        assert running.stop() == 0


def test_an_emptied_redis_is_told_with_what_waited_in_it(
    make_server: MakeServer, settings: dict[str, str], redis_server: Redis
) -> None:
    running = make_server(bare=True, **{**settings, "FLUSH_COUNT": "1000"}).start()
    running.wait_until()
    assert running.http.post("/v1/events", json=likes(20)).status_code == 202
    eventually(lambda: waiting(running, "redis") == 20)
    redis.Redis(host=redis_server.host, port=redis_server.port).flushall()
    eventually(lambda: "up to 20 records that waited" in " ".join(running.http.get("/health").json()["problems"]))
    assert "redis was emptied" in running.log.read_text()
    eventually(lambda: "talentfeed_redis_emptied_total 1.0" in running.http.get("/metrics").text)
