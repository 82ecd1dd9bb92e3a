"""Six pages of one session, whichever worker answers: nothing comes twice, and what was hidden stays away."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis as redis_py

from tests.api.server import Server
from tests.support.prebuilt import Furnish
from tests.support.servers import Redis
from tests.support.waiting import eventually

PAGES, WINDOW, VIEWER = 6, 12, 7
Page = dict[str, Any]


def started(furnish: Furnish, folder: Path, **settings: str) -> Server:
    """A service with two workers that begins with a snapshot."""
    server = Server(folder, WORKERS="2", RELOAD_EVERY="0", **settings)
    furnish(server.data_dir)
    server.start()
    try:
        server.wait_until()
        eventually(lambda: len(server.pids("serve")) == 2)
    except BaseException:
        server.kill()
        raise
    return server


def with_redis(redis: Redis) -> dict[str, str]:
    """Settings for a service that keeps sessions in Redis; its database is away, so it serves the last snapshot."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = str(unused.getsockname()[1])
    return {"ENVIRONMENT": "staging", "MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": port, "MYSQL_USER": "feed",
            "MYSQL_DB": "talent", "REDIS_HOST": redis.host, "REDIS_PORT": str(redis.port),
            "REDIS_TIMEOUT_SECONDS": "2"}  # fmt: skip


def ask(server: Server, path: str, body: dict[str, Any]) -> Page:
    """One call over a connection of its own."""
    with httpx.Client(base_url=server.url, timeout=20.0) as client:
        answer = client.post(path, json=body)
    assert answer.status_code in (200, 202), answer.text
    found: Page = answer.json()
    return found


@contextmanager
def by_turns(server: Server) -> Iterator[Callable[[int], None]]:
    """Leaves one of the two workers to answer, turn by turn: the other one is frozen."""
    workers = server.pids("serve")

    def turn(number: int) -> None:
        os.kill(workers[number % 2], signal.SIGCONT)
        os.kill(workers[(number + 1) % 2], signal.SIGSTOP)

    try:
        yield turn
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)


def act(server: Server, page: Page) -> set[str]:
    """The viewer watches two items of the page and hides two others; the hidden ones."""
    ids = page["mix_ids"]
    events = [("video_view", ids[0]), ("video_view", ids[3]), ("hide", ids[1]), ("hide", ids[5])]
    body = [
        {"event_type": kind, "user_id": VIEWER, f"{item.split(':')[0]}_id": int(item.split(":")[1])}
        for kind, item in events
    ]
    assert ask(server, "/v1/events", {"events": body})["accepted"] == len(events)
    return {item for kind, item in events if kind == "hide"}


def repeats(pages: list[Page]) -> list[str]:
    """Items that come twice, and creators that come again within the window, over the seams of pages too."""
    ids = [item for page in pages for item in page["mix_ids"]]
    creators = [item["creator_id"] for page in pages for item in page["items"]]
    found = [f"{item} twice" for item in set(ids) if ids.count(item) > 1]
    for at, creator in enumerate(creators):
        if creator in creators[max(0, at - WINDOW + 1) : at]:
            found.append(f"creator {creator} again at {at}")
    return found


def told(pages: list[Page]) -> list[str]:
    """Everything that pages say went less well."""
    return [str(entry) for page in pages for entry in (*page["relaxed"], *page["degraded"])]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kept", ["locally", "in redis"])
def test_six_pages_with_acts_between_them_answered_by_two_workers_in_turn(
    furnish: Furnish, tmp_path: Path, kept: str, request: pytest.FixtureRequest
) -> None:
    settings = with_redis(request.getfixturevalue("redis_server")) if kept == "in redis" else {}
    server = started(furnish, tmp_path / "service", **settings)
    pages, hidden, session = list[Page](), set[str](), None
    try:
        with by_turns(server) as turn:
            for number in range(PAGES):
                turn(number)
                page = ask(server, "/v1/feed", {"user_id": VIEWER, "session_id": session, "seed": number})
                assert not hidden & set(page["mix_ids"])
                session = page["session_id"]
                pages.append(page)
                turn(number + 1)
                hidden |= act(server, page)
        assert [len(page["items"]) for page in pages] == [24] * PAGES
        assert {page["session_id"] for page in pages} == {session}
        assert told(pages) == []
        assert repeats(pages) == []
        fresh = [ask(server, "/v1/feed", {"user_id": VIEWER, "seed": seed, "size": 96}) for seed in range(3)]
        assert not hidden & {item for page in fresh for item in page["mix_ids"]}
    finally:
        server.kill()


@pytest.mark.timeout(180)
def test_with_redis_stopped_in_the_middle_pages_say_so_and_those_afterwards_heed_them(
    furnish: Furnish, tmp_path: Path, redis_server: Redis
) -> None:
    server = started(furnish, tmp_path / "service", **with_redis(redis_server))
    try:
        pages = [ask(server, "/v1/feed", {"user_id": VIEWER, "session_id": "7:1", "seed": seed}) for seed in range(3)]
        hidden = act(server, pages[-1])
        redis_server.stop()
        alone = [ask(server, "/v1/feed", {"user_id": VIEWER, "session_id": "7:1", "seed": seed}) for seed in (3, 4)]
        for page in alone:
            assert "session_ledger" in page["degraded"]
            assert len(page["items"]) == 24
            assert repeats([page]) == []
        assert ask(server, "/v1/events", {"events": [{"event_type": "like", "user_id": 7, "video_id": 1}]}) == {
            "accepted": 1, "duplicates": 0, "rejected": [], "durability": "local"
        }  # fmt: skip
        redis_server.start()
        asked = [*pages, *alone]

        def page() -> Page:
            asked.append(ask(server, "/v1/feed", {"user_id": VIEWER, "session_id": "7:1", "seed": len(asked)}))
            return asked[-1]

        eventually(lambda: not page()["degraded"])
        client = redis_py.Redis(host=redis_server.host, port=redis_server.port, db=1)
        eventually(lambda: client.llen("session:7:1") >= len(asked))  # each worker tells Redis what it missed
        shown = {item for one in asked for item in one["mix_ids"]}
        last = page()
        assert (last["degraded"], repeats([last])) == ([], [])
        assert not (shown | hidden) & set(last["mix_ids"])
    finally:
        server.kill()
