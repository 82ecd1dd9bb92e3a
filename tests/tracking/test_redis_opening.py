"""A connection to Redis that cannot be opened: everyone is told why, and the link goes on trying."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.certificates import Authority
from tests.support.proxy import Proxy
from tests.support.servers import Redis
from tracking.redis_client import RedisConfig
from tracking.redis_link import RedisLink

Story = Callable[[RedisLink, "Listener"], Awaitable[Any]]
NAME = "redis.internal"
TIME = b"*2\r\n$1\r\n1\r\n$1\r\n0\r\n"


class Listener:
    """Takes connections and answers whatever comes with `said`, `after` so many seconds; then it may hang up."""

    def __init__(self, said: bytes, after: float = 0.0, *, hangs_up: bool = False) -> None:
        self.said, self.after, self.hangs_up, self.accepted = said, after, hangs_up, 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            while await reader.read(1 << 16):
                await asyncio.sleep(self.after)
                writer.write(self.said)
                if self.hangs_up:
                    return
        finally:
            writer.close()


def tell(listener: Listener, story: Story, timeout: float = 5.0) -> Any:
    """Run a story on a link to the listener."""

    async def told() -> Any:
        server = await asyncio.start_server(listener.answer, "127.0.0.1", 0)
        link = RedisLink(RedisConfig(host="127.0.0.1", port=server.sockets[0].getsockname()[1], timeout=timeout))
        try:
            return await story(link, listener)
        finally:
            await link.close()
            server.close()

    return asyncio.run(asyncio.wait_for(told(), 30))


async def refusal(link: RedisLink) -> Exception:
    with pytest.raises((redis.RedisError, OSError)) as caught:
        await link.ask([("PING",)])
    return caught.value


async def until(link: RedisLink, words: str) -> str:
    """The first time-out with these words. Nobody waits when an opening ends, as while Redis is left alone."""
    while words not in str(error := await refusal(link)) or not isinstance(error, TimeoutError):
        await asyncio.sleep(0.5)
    return str(error)


def test_a_refusal_that_comes_later_than_an_exchange_may_wait_is_told_to_the_next() -> None:
    async def story(link: RedisLink, listener: Listener) -> tuple[str, str, str]:
        first, later = await refusal(link), await until(link, "NOAUTH")
        listener.said = b"+OK\r\n" + TIME
        while link.now() > 1000.0:  # the clock of the listener: an opening has succeeded
            await refusal(link)
        return str(first), later, str(await refusal(link))

    first, later, opened = tell(Listener(b"-NOAUTH Authentication required.\r\n" * 2, after=0.12), story, timeout=0.05)
    assert first == opened == "no answer within 0.05 s"
    assert later == "no answer within 0.05 s; the last opening failed: NOAUTH Authentication required."


def test_a_certificate_that_is_refused_late_is_told_to_the_next(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path, "one"), Authority(tmp_path, "other")
    with Redis(certificate=authority.certificate(NAME)) as server, Proxy(server.host, server.port) as far:
        far.delay = 0.1
        config = RedisConfig(
            host=far.host, port=far.port, scheme="tls", server_hostname=NAME, ca_path=other.path, timeout=0.05
        )

        async def story() -> str:
            link = RedisLink(config)
            try:
                return await until(link, "REDIS_CA_PATH")
            finally:
                await link.close()

        said = asyncio.run(asyncio.wait_for(story(), 30))
    assert said.startswith("no answer within 0.05 s; the last opening failed: REDIS_CA_PATH: no authority of")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"+PONG\r\n+PONG\r\n", "this is not Redis: it takes b'PONG' for the time"),
        (b"+OK\r\n+OK\r\n", "this is not Redis: it takes b'OK' for the time"),
        (b"+OK\r\n*1\r\n$1\r\n1\r\n", "no connection can be opened: ValueError"),
        (b"+OK\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n", "no connection can be opened: ValueError"),
    ],
)
def test_after_a_greeting_that_makes_no_sense_the_link_opens_again(said: bytes, why: str) -> None:
    async def story(link: RedisLink, listener: Listener) -> Any:
        for _ in range(3):
            assert why in str(await refusal(link))
        assert listener.accepted == 3
        listener.said = b"+OK\r\n" + TIME
        return await link.ask([("ECHO", 1), ("ECHO", 2)])

    assert tell(Listener(said), story) == [b"OK", [b"1", b"0"]]


def test_a_mistake_is_logged_with_its_trace_once(caplog: pytest.LogCaptureFixture) -> None:
    async def story(link: RedisLink, listener: Listener) -> None:
        for _ in range(3):
            await refusal(link)

    tell(Listener(b"+OK\r\n*1\r\n$1\r\n1\r\n"), story)
    [record] = [record for record in caplog.records if record.name == "tracking.redis_link"]
    assert record.exc_info


@pytest.mark.parametrize("host", ["no..name", "x" * 70])
def test_a_host_name_that_nobody_can_have_is_told_every_time(host: str) -> None:
    async def story() -> None:
        link = RedisLink(RedisConfig(host=host, timeout=5.0))
        for _ in range(2):
            assert "no answer" not in str(await refusal(link))
        await link.close()

    asyncio.run(story())


def test_a_link_whose_opening_was_cancelled_opens_again(redis_server: Redis) -> None:
    config = RedisConfig(host=redis_server.host, port=redis_server.port, timeout=5.0)

    async def story() -> Any:
        link = RedisLink(dataclasses.replace(config, timeout=0.2))
        lost = asyncio.ensure_future(refusal(link))
        await asyncio.sleep(0)
        [opening] = [task for task in asyncio.all_tasks() if task.get_name() == "redis"]
        opening.cancel()
        assert isinstance(await lost, TimeoutError)
        found = await link.ask([("PING",)])
        await link.close()
        return found

    assert asyncio.run(story()) == [b"PONG"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"-ERR max number of clients reached\r\n", "max number of clients reached"),
        (b"", "connection closed"),
        (b"+OK\r\n" + TIME, "connection closed"),
    ],
)
def test_a_server_that_hangs_up_is_not_waited_for_and_what_it_said_is_told(said: bytes, why: str) -> None:
    async def story(link: RedisLink, listener: Listener) -> None:
        for _ in range(2):
            assert why in str(await refusal(link))

    tell(Listener(said, hangs_up=True), story)


def test_a_redis_that_takes_no_more_clients_says_so(redis_server: Redis) -> None:
    client = redis.Redis(host=redis_server.host, port=redis_server.port)
    client.config_set("maxclients", 1)

    async def story() -> str:
        link = RedisLink(RedisConfig(host=redis_server.host, port=redis_server.port, timeout=5.0))
        try:
            return str(await refusal(link))
        finally:
            await link.close()

    try:
        assert "max number of clients reached" in asyncio.run(story())
    finally:
        client.config_set("maxclients", 10_000)
