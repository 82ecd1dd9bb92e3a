"""The servers of the tests themselves: they answer, die and come back on the same port."""

import asyncio

import asyncssh
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.processes import MissingServerError, binary
from tests.support.servers import Database, MariaDB, Redis, Sshd


def test_a_database_of_its_own_is_empty_and_takes_rows(database: Database) -> None:
    assert database.run("CREATE TABLE t (a INT); INSERT INTO t VALUES (7); SELECT a FROM t") == ((7,),)


def test_committed_rows_survive_a_kill_of_mariadb(own_mariadb: MariaDB) -> None:
    database = own_mariadb.new_database()
    database.run("CREATE TABLE t (a INT) ENGINE=InnoDB; INSERT INTO t VALUES (7)")
    own_mariadb.kill()
    own_mariadb.start()
    assert database.run("SELECT a FROM t") == ((7,),)


def test_redis_keeps_its_append_only_file_over_a_restart(redis_server: Redis) -> None:
    client = redis.Redis(port=redis_server.port)
    client.set("key", "value")
    redis_server.restart()
    assert redis.Redis(port=redis_server.port).get("key") == b"value"


def test_a_frozen_redis_answers_again_when_thawed(redis_server: Redis) -> None:
    redis_server.freeze()
    with pytest.raises(redis.TimeoutError):
        redis.Redis(port=redis_server.port, socket_timeout=0.2, retry=Retry(NoBackoff(), 0)).ping()
    redis_server.thaw()
    assert redis.Redis(port=redis_server.port).ping()


async def forwards(sshd: Sshd) -> bool:
    async with asyncssh.connect(
        sshd.host, sshd.port, username=sshd.user, client_keys=[str(sshd.key_path)], known_hosts=str(sshd.known_hosts)
    ) as connection:
        listener = await connection.forward_local_port("127.0.0.1", 0, "127.0.0.1", sshd.port)
        return listener.get_port() > 0


def test_sshd_takes_the_user_key_and_forwards_a_port(sshd: Sshd) -> None:
    assert asyncio.run(forwards(sshd))


def test_a_missing_server_is_named_with_its_debian_package() -> None:
    with pytest.raises(MissingServerError, match="no-such-server is not installed: apt-get install no-such-server"):
        binary("no-such-server")
