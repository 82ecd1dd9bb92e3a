import pytest

from tests.support.servers import Redis
from tracking.buffer import BufferUnavailableError
from tracking.redis_client import RedisConfig
from tracking.redis_mark import RedisMark


def mark(server: Redis) -> RedisMark:
    return RedisMark(RedisConfig(host=server.host, port=server.port))


def test_a_redis_that_comes_back_without_its_files_was_emptied_and_all_who_look_see_it_once() -> None:
    with Redis() as server:
        one, other = mark(server), mark(server)
        assert [one.gone(), other.gone(), one.gone()] == [False, False, False]
        server.kill()
        with pytest.raises(BufferUnavailableError, match="redis"):
            one.gone()
        server.restart()
        assert [one.gone(), other.gone(), one.gone(), other.gone()] == [True, True, False, False]


def test_a_redis_that_kept_its_files_was_not_emptied() -> None:
    with Redis(appendonly="yes") as server:
        one = mark(server)
        assert not one.gone()
        server.kill()
        server.restart()
        assert not one.gone()
