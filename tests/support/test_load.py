"""The load of the tests itself: what it asks once more, and what it calls a failure."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.load import Connection, Load
from tests.support.waiting import eventually

ANSWER = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno"
Step = Callable[[socket.socket], None]


def answer(link: socket.socket) -> None:
    assert link.recv(65536)
    link.sendall(ANSWER)


def read_and_hang_up(link: socket.socket) -> None:
    assert link.recv(65536)


def hang_up_unread(link: socket.socket) -> None:
    assert link.recv(1, socket.MSG_PEEK)


@contextmanager
def server(*connections: tuple[Step, ...]) -> Iterator[int]:
    """The port of a server that takes connections one after another, goes through the steps of each, and is gone."""

    def serve() -> None:
        for steps in connections:
            link, _ = listener.accept()
            with link:
                for step in steps:
                    step(link)
        listener.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(30)
        assert not thread.is_alive()


def errors(*connections: tuple[Step, ...], answers: int) -> list[str]:
    """What became of the first requests, which come one at a time."""
    with server(*connections) as port, Load(port, rate=5.0) as load:
        eventually(lambda: len(load.answers) >= answers)
    return [found.error.split(":")[0] for found in load.answers][:answers]


def test_a_request_that_was_not_read_on_a_kept_connection_is_sent_once_more() -> None:
    assert errors((answer, hang_up_unread), (answer,), answers=2) == ["no", "no"]


def test_a_request_that_was_read_and_not_answered_has_failed() -> None:
    assert errors((answer, read_and_hang_up), answers=2) == ["no", "IncompleteReadError"]


def test_a_request_that_was_not_read_on_a_new_connection_has_failed() -> None:
    assert errors((hang_up_unread,), answers=1) == ["ConnectionResetError"]


def test_a_kept_connection_that_ends_before_the_next_request_is_not_used_again() -> None:
    assert errors((answer,), (answer,), answers=2) == ["no", "no"]


def test_a_connection_that_was_closed_right_before_its_next_request_is_known() -> None:
    async def ask() -> bool:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            connection = Connection(*await asyncio.open_connection(*listener.getsockname()))
            listener.accept()[0].close()  # the loop does not hear of it before it sends
            with pytest.raises(asyncio.IncompleteReadError) as error:
                await connection.post("/", b"")
            connection.close()
            return connection.was_closed_before(error.value)

    assert asyncio.run(ask())


@pytest.mark.parametrize("part", [b"H", ANSWER[:-1]])
def test_an_answer_that_breaks_off_has_failed(part: bytes) -> None:
    def begin(link: socket.socket) -> None:
        assert link.recv(65536)
        link.sendall(part)

    assert errors((answer, begin), answers=2) == ["no", "IncompleteReadError"]
