"""The short way of feed requests keeps to HTTP like the framework's, and answers the same."""

import asyncio
import gc
import re
import socket
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from api import middleware
from api.logs import request_id
from tests.api.links import BODY, answered, asked, connected
from tests.api.server import Server
from tests.support.waiting import eventually

OWN = ("feed_id", "session_id", "served_at", "request_id")


def exchange(server: Server, *parts: bytes) -> bytes:
    """All that comes back for these bytes, sent one after another, on a connection that the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            link.sendall(part)
        found = b""
        while piece := link.recv(65_536):
            found += piece
    return found


def chunked(body: bytes) -> Iterator[bytes]:
    """A body of unknown length, which takes the framework's way."""
    yield body


def told(answer: httpx.Response) -> tuple[int, dict[str, Any], set[str]]:
    """What the two ways must have in common."""
    content = {name: value for name, value in answer.json().items() if name not in OWN}
    return answer.status_code, content, {*answer.headers} - {"transfer-encoding"}


@pytest.mark.parametrize(
    "body", [BODY, b'{"user_id":9,"seed":5,"size":96,"excluded_ids":[1,"flow:3"]}', b'{"user_id":-1}', b"{", b"[]"]
)
def test_both_ways_answer_the_same(server: Server, body: bytes) -> None:
    assert told(server.http.post("/v1/feed", content=body)) == told(server.http.post("/v1/feed", content=chunked(body)))


def test_a_request_may_come_in_pieces(server: Server) -> None:
    whole = asked("Connection: close")
    answer = exchange(server, *(whole[at : at + 7] for at in range(0, len(whole), 7)))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer


def test_requests_sent_ahead_are_answered_in_order(server: Server) -> None:
    live = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    answers = exchange(
        server,
        asked("X-Request-ID: one")
        + asked("X-Request-ID: two")
        + live
        + asked("X-Request-ID: three", "Connection: close"),
    )
    assert answers.count(b"HTTP/1.1 200 ") == 4
    assert re.findall(rb"x-request-id: (one|two|three)", answers) == [b"one", b"two", b"three"]
    assert answers.index(b'"alive"') < answers.index(b"x-request-id: three")


def test_an_old_client_is_answered(server: Server) -> None:
    answer = exchange(server, asked().replace(b"HTTP/1.1", b"HTTP/1.0", 1))
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_connection_is_kept_for_the_next_request(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as link:
        for _ in range(3):
            link.sendall(asked())
            found = link.recv(65_536)
            length = int(re.findall(rb"content-length: (\d+)", found)[0])
            while len(found) < found.index(b"\r\n\r\n") + 4 + length:
                found += link.recv(65_536)
            assert found.startswith(b"HTTP/1.1 200 ")


def test_a_client_that_goes_away_in_the_middle_of_its_request_is_counted_once(server: Server) -> None:
    def gone() -> float:
        line = re.search(
            r'^talentfeed_http_requests_total\{method="POST",route="/v1/feed",status="499"\} (.+)$',
            server.http.get("/metrics").text,
            re.MULTILINE,
        )
        return float(line[1]) if line else 0.0

    before = gone()
    with socket.create_connection(("127.0.0.1", server.port)) as link:
        link.sendall(asked()[:-5])
    eventually(lambda: gone() == before + 1)
    assert server.http.get("/livez").status_code == 200


def test_an_idle_connection_holds_no_body() -> None:
    async def ask() -> None:
        protocol, link = connected()
        protocol.data_received(asked())
        await answered(protocol)
        assert b" 200 OK" in link.written
        assert not protocol.cycle.body
        link.close()
        protocol.connection_lost(None)

    asyncio.run(ask())


def test_a_closed_connection_is_freed_at_once() -> None:
    async def ask() -> None:
        protocol, link = connected()
        protocol.data_received(asked("Connection: close"))
        await answered(protocol)
        protocol.connection_lost(None)
        kept = weakref.ref(protocol)
        del protocol, link
        await asyncio.sleep(0)
        assert kept() is None

    gc.disable()
    try:
        asyncio.run(ask())
    finally:
        gc.enable()


def test_what_is_logged_of_a_lost_request_has_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, str]] = []
    monkeypatch.setattr(middleware, "account", lambda *words: told.append((words[3], request_id.get())))

    async def ask() -> None:
        protocol, link = connected()
        protocol.data_received(asked("X-Request-ID: mine")[:-1])
        link.close()
        protocol.connection_lost(None)

    asyncio.run(ask())
    assert told == [(middleware.CLIENT_CLOSED, "mine")]


def test_a_web_socket_asked_for_after_a_feed_does_not_answer_the_feed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> None:
        protocol, link = connected()
        monkeypatch.setattr(protocol, "ws_protocol_class", SimpleNamespace)  # as with the package `websockets`
        monkeypatch.setattr(protocol, "handle_websocket_upgrade", lambda: None)
        protocol.data_received(asked())
        await answered(protocol)
        protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        await answered(protocol)
        assert link.written.count(b" 200 OK") == 1

    asyncio.run(ask())
