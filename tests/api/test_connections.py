"""What one connection may ask of the service, and what is made of offers and of bytes that are no HTTP."""

import asyncio
import json
import re
import socket
from collections.abc import Awaitable, Callable

import pytest

from api.protocol import LONGEST_HEAD, MOST_AHEAD, REQUEST_SECONDS, ProblemProtocol
from tests.api.links import Clock, Link, answered, asked, connected
from tests.api.server import Server

Story = Callable[[ProblemProtocol, Link], Awaitable[None]]
OFFER = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")


def tell(story: Story, clock: Clock | None = None, feed: asyncio.Event | None = None) -> None:
    async def told() -> None:
        protocol, link = connected(feed, clock)
        await story(protocol, link)
        protocol.connection_lost(None)

    asyncio.run(told())


def statuses(link: Link) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1.1 (\d+) ", link.written)]


@pytest.mark.parametrize("step", [1, 50, 10_000])
def test_an_offer_to_upgrade_is_passed_over_with_nothing_lost(step: int) -> None:
    async def story(protocol: ProblemProtocol, link: Link) -> None:
        sent = asked(*OFFER) + asked(*OFFER) + asked()
        for begin in range(0, len(sent), step):
            protocol.data_received(sent[begin : begin + step])
        while protocol.tasks or protocol.pipeline:
            await asyncio.sleep(0)
        assert statuses(link)[0] == 200
        assert len(statuses(link)) == 3  # those sent ahead take the framework's way, which says 413 here
        assert not link.closed

    tell(story)


def test_a_service_answers_a_client_that_offers_http_2(server: Server) -> None:
    body = b'{"events": [{"event_type": "like", "user_id": 7, "video_id": 5}]}'
    with socket.create_connection(("127.0.0.1", server.port), 10) as link:
        link.sendall(asked(*OFFER, "Connection: close", body=body, path="/v1/events"))
        answer = b"".join(iter(lambda: link.recv(65_536), b""))
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 202 ")
    assert json.loads(content)["accepted"] == 1


def test_there_is_nothing_to_connect_to() -> None:
    async def story(protocol: ProblemProtocol, link: Link) -> None:
        protocol.data_received(b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (statuses(link), link.closed) == ([400], True)

    tell(story)


@pytest.mark.parametrize(
    ("begin", "more", "status"),
    [
        (b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"X-More: 123456789\r\n", 431),
        (b"GET /livez HTTP/1.1\r\nX-Long: ", b"abcdefghi", 431),
        (b"GET /livez?", b"abcdefghi", 414),
    ],
)
def test_a_head_that_does_not_end_is_refused(begin: bytes, more: bytes, status: int) -> None:
    async def story(protocol: ProblemProtocol, link: Link) -> None:
        protocol.data_received(begin)
        piece = more * 1000
        for _ in range(LONGEST_HEAD // len(piece)):
            protocol.data_received(piece)
        assert not link.closed
        protocol.data_received(piece)
        assert (statuses(link), link.closed) == ([status], True)

    tell(story)


@pytest.mark.parametrize("ahead", [0, 3])
def test_what_was_asked_before_bytes_that_are_no_http_is_answered_and_nothing_else(ahead: int) -> None:
    async def story(protocol: ProblemProtocol, link: Link) -> None:
        protocol.data_received(asked() * (1 + ahead) + b"this is no HTTP\r\n\r\n")
        protocol.data_received(b"nor is this\r\n\r\n")
        while protocol.tasks or protocol.pipeline:
            await asyncio.sleep(0)
        assert (statuses(link), link.closed) == ([200] + [413] * ahead, True)

    tell(story)


def test_a_client_that_sends_too_many_requests_ahead_gets_those_answers_and_is_closed() -> None:
    async def story(protocol: ProblemProtocol, link: Link) -> None:
        protocol.data_received(asked() * (MOST_AHEAD + 100))
        while protocol.tasks or protocol.pipeline:
            await asyncio.sleep(0)
        assert (len(statuses(link)), link.closed) == (MOST_AHEAD + 1, True)

    tell(story)


def test_a_client_that_takes_no_answers_is_closed_when_it_had_its_time() -> None:
    clock = Clock()

    async def story(protocol: ProblemProtocol, link: Link) -> None:
        for _ in range(3):
            protocol.pause_writing()
            clock.pass_by(REQUEST_SECONDS - 0.1)
            protocol.resume_writing()
            protocol.data_received(asked())
            await answered(protocol)
        protocol.pause_writing()
        protocol.data_received(asked())
        await asyncio.sleep(0)
        clock.pass_by(REQUEST_SECONDS - 0.1)
        assert not link.closed
        clock.pass_by(0.2)
        assert link.closed

    tell(story, clock)


def test_a_client_that_leaves_with_requests_sent_ahead_leaves_nothing_to_do(caplog: pytest.LogCaptureFixture) -> None:
    async def story(protocol: ProblemProtocol, link: Link) -> None:
        protocol.data_received(asked(path="/v1/events") * 9)
        link.close()
        protocol.connection_lost(None)
        await answered(protocol)
        assert (statuses(link), len(protocol.pipeline)) == ([], 0)

    async def told() -> None:
        await story(*connected())

    asyncio.run(told())
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
