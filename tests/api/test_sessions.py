"""Sessions through the door: names that nobody shares, and pages that are asked for at once."""

import asyncio

import httpx

from tests.api.server import Server


def test_pages_of_one_session_that_are_asked_at_once_share_no_item(server: Server) -> None:
    async def ask() -> list[list[str]]:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            body = {"user_id": 7, "session_id": "7:at-once"}
            answers = await asyncio.gather(*(client.post("/v1/feed", json=body) for _ in range(4)))
            return [answer.json()["mix_ids"] for answer in answers]

    pages = asyncio.run(ask())
    items = [item for page in pages for item in page]
    assert len(items) == len(set(items))


def test_sessions_that_start_at_once_have_names_of_their_own(server: Server) -> None:
    async def ask() -> list[str]:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            answers = await asyncio.gather(*(client.post("/v1/feed", json={"user_id": 7}) for _ in range(20)))
            return [answer.json()["session_id"] for answer in answers]

    assert len(set(asyncio.run(ask()))) == 20
