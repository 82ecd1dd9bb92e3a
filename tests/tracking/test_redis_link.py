import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import hiredis
import pytest
import redis

from tests.support.proxy import Proxy
from tests.support.servers import Redis
from tracking.redis_client import RedisConfig
from tracking.redis_commands import Script, Template
from tracking.redis_link import RedisLink

Story = Callable[[RedisLink], Awaitable[Any]]


def tell(server: Redis, story: Story, **changes: Any) -> Any:
    """Run a story on a link of its own."""
    config = RedisConfig(host=server.host, port=server.port, password=server.password, timeout=5.0)

    async def told() -> Any:
        link = RedisLink(dataclasses.replace(config, **changes))
        try:
            return await story(link)
        finally:
            await link.close()

    return asyncio.run(told())


def test_exchanges_at_once_get_their_own_replies(redis_server: Redis) -> None:
    async def story(link: RedisLink) -> Any:
        asked = [link.send([("ECHO", n), ("ECHO", -n)]) for n in range(100)]
        return await asyncio.gather(*asked)

    assert tell(redis_server, story) == [[b"%d" % n, b"%d" % -n] for n in range(100)]


def test_a_refused_command_fails_its_own_exchange_alone(redis_server: Redis) -> None:
    async def story(link: RedisLink) -> Any:
        wrong, right = link.ask([("SET", "text", "a"), ("INCR", "text")]), link.ask([("GET", "text")])
        return await asyncio.gather(wrong, right, return_exceptions=True)

    wrong, right = tell(redis_server, story)
    assert isinstance(wrong, redis.ResponseError)
    assert right == [b"a"]


def test_a_script_that_redis_does_not_know_is_sent_whole(redis_server: Redis) -> None:
    script = Script("return {KEYS[1], ARGV[1]}")

    async def story(link: RedisLink) -> Any:
        await link.ask([("SCRIPT", "FLUSH")])
        return [await link.run(script, ["key"], [7]) for _ in range(2)]

    assert tell(redis_server, story) == [[b"key", b"7"]] * 2


def test_nobody_waits_longer_than_the_limit_and_the_next_one_is_served(redis_server: Redis) -> None:
    async def story(link: RedisLink) -> Any:
        await link.ask([("PING",)])
        redis_server.freeze()
        try:
            gone = await asyncio.gather(*(link.ask([("PING",)]) for _ in range(3)), return_exceptions=True)
        finally:
            redis_server.thaw()
        return gone, await link.ask([("PING",)])

    gone, after = tell(redis_server, story, timeout=1.0)
    assert [type(error) for error in gone] == [TimeoutError] * 3
    assert after == [b"PONG"]


def test_an_opening_that_takes_longer_than_an_exchange_may_serves_those_to_come(redis_server: Redis) -> None:
    with Proxy(redis_server.host, redis_server.port) as proxy:
        proxy.stalled = True

        async def told() -> Any:
            link = RedisLink(RedisConfig(host=proxy.host, port=proxy.port, timeout=0.2))
            with pytest.raises(TimeoutError):
                await link.ask([("SET", "key", "of one that waits no longer")])
            proxy.stalled = False
            while True:
                with suppress(TimeoutError):
                    found = await link.ask([("GET", "key")])
                    await link.close()
                    return found

        assert asyncio.run(told()) == [None]
        assert proxy.accepted == 1


def test_a_connection_that_redis_closed_is_opened_anew(redis_server: Redis) -> None:
    async def story(link: RedisLink) -> Any:
        await link.ask([("PING",)])
        redis_server.restart()
        await asyncio.sleep(0)
        found: list[Any] = []
        for _ in range(2):  # the first may still be sent to the connection that is gone
            found += await asyncio.gather(link.ask([("PING",)]), return_exceptions=True)
        return found[-1]

    assert tell(redis_server, story) == [b"PONG"]


def test_the_database_and_the_password_are_given_first(redis_server: Redis) -> None:
    async def write(link: RedisLink) -> Any:
        return await link.ask([("SET", "here", 1)])

    async def read(link: RedisLink) -> Any:
        return await link.ask([("GET", "here")])

    tell(redis_server, write, db=2)
    assert tell(redis_server, read, db=2) == [b"1"]
    assert tell(redis_server, read, db=1) == [None]
    with pytest.raises(redis.RedisError):
        tell(redis_server, read, password="not asked for")


def test_no_redis_is_an_error_of_the_system(redis_server: Redis) -> None:
    redis_server.stop()
    with pytest.raises(ConnectionRefusedError):
        tell(redis_server, lambda link: link.ask([("PING",)]))


@pytest.mark.parametrize(
    "said", [b"+OK\r\nHTTP/1.1 200 OK\r\n", b"+OK\r\n+OK\r\n"], ids=["garbage", "one reply too many"]
)
def test_a_server_that_is_not_redis_is_left_and_nobody_waits_for_it(said: bytes) -> None:
    async def story() -> Any:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(said)  # to SELECT, and one line more
            await writer.drain()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        link = RedisLink(RedisConfig(host="127.0.0.1", port=server.sockets[0].getsockname()[1], timeout=5.0))
        try:
            return await asyncio.gather(link.ask([("PING",)]), link.ask([("PING",)]), return_exceptions=True)
        finally:
            await link.close()
            server.close()

    assert all(isinstance(error, redis.RedisError | OSError) for error in asyncio.run(story()))


def test_a_template_packs_what_its_commands_would_be() -> None:
    template = Template("RPUSH $key $value", "LTRIM $key -5 -1", "SET 100% $other")
    key, value, other = b"a b", b"%d\r\n$3\r\n\0\xff", b""
    commands: list[Any] = [("RPUSH", key, value), ("LTRIM", key, -5, -1), ("SET", "100%", other)]
    assert template.count == 3
    assert template.pack(key, value, other) == b"".join(map(hiredis.pack_command, commands))
