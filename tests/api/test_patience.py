"""How long a connection waits for its client: five seconds between requests here, thirty for a whole request."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from api.protocol import ProblemProtocol
from tests.api.links import Clock, Link, answered, asked, connected

Story = Callable[[ProblemProtocol, Link, Clock], Awaitable[None]]


async def nothing_comes(protocol: ProblemProtocol, link: Link, clock: Clock) -> None:
    clock.pass_by(29.9)


async def a_request_drips(protocol: ProblemProtocol, link: Link, clock: Clock) -> None:
    clock.pass_by(20)
    for place in range(29):
        protocol.data_received(asked()[place : place + 1])
        clock.pass_by(1)
    clock.pass_by(0.9)


async def the_next_request_drips(protocol: ProblemProtocol, link: Link, clock: Clock) -> None:
    protocol.data_received(asked() + asked()[:9])
    await answered(protocol)
    clock.pass_by(29.9)


async def nothing_comes_after_an_answer(protocol: ProblemProtocol, link: Link, clock: Clock) -> None:
    for _ in range(9):
        clock.pass_by(4.9)
        protocol.data_received(asked())
        await answered(protocol)
    clock.pass_by(4.9)


async def the_body_goes_on_after_the_answer(protocol: ProblemProtocol, link: Link, clock: Clock) -> None:
    protocol.data_received(asked(path="/v1/events")[:-1])
    await answered(protocol)
    clock.pass_by(20)
    protocol.data_received(asked()[-1:])
    clock.pass_by(4.9)


@pytest.mark.parametrize(
    "story",
    [
        nothing_comes,
        a_request_drips,
        the_next_request_drips,
        nothing_comes_after_an_answer,
        the_body_goes_on_after_the_answer,
    ],
)
def test_a_connection_is_closed_when_its_client_had_its_time_and_not_before(story: Story) -> None:
    async def told() -> None:
        clock = Clock()
        protocol, link = connected(clock=clock)
        await story(protocol, link, clock)
        assert not link.closed
        clock.pass_by(0.2)
        assert link.closed

    asyncio.run(told())


def test_a_client_that_waits_for_its_answer_is_not_closed() -> None:
    async def told() -> None:
        clock, feed = Clock(), asyncio.Event()
        protocol, link = connected(feed, clock)
        protocol.data_received(asked())
        await asyncio.sleep(0)
        clock.pass_by(1000)
        assert not link.closed
        feed.set()
        await answered(protocol)
        assert b" 200 OK" in link.written
        clock.pass_by(4.9)
        assert not link.closed
        clock.pass_by(0.2)
        assert link.closed

    asyncio.run(told())
