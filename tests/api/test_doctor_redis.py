"""What `talentfeed doctor` says of a Redis."""

import redis

from api import diagnosis_servers
from api.settings import Settings
from tests.support.servers import Redis


def test_the_doctor_warns_of_a_redis_that_takes_no_writes(redis_server: Redis) -> None:
    settings = Settings(
        environment="staging",
        mysql_host="127.0.0.1",
        mysql_user="talent",
        mysql_db="talent",
        redis_host=redis_server.host,
        redis_port=redis_server.port,
        redis_timeout_seconds=5.0,
    )
    client = redis.Redis(host=redis_server.host, port=redis_server.port)
    state, text = diagnosis_servers.redis(settings)
    assert (state, "takes writes" in text) == ("ok", True)
    client.config_set("maxmemory", "1mb")
    state, text = diagnosis_servers.redis(settings)
    assert (state, "memory is full" in text) == ("warn", True), text
    client.config_set("maxmemory", "0")
    client.replicaof("127.0.0.1", "1")
    state, text = diagnosis_servers.redis(settings)
    assert (state, "is a replica" in text) == ("warn", True), text
