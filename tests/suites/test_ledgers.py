"""What every ledger promises, on a local file and on a real Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.feed_types import NOTHING_SEEN
from tests.tracking.worlds import event, served, uuid
from tracking.ledger import MOST_HIDDEN, MOST_WATCHED, Ledger
from tracking.local_ledger import LocalLedger
from tracking.redis_client import RedisConfig
from tracking.redis_ledger import RedisLedger

Story = Callable[[Ledger], Awaitable[Any]]
Tell = Callable[[Story], Any]


@pytest.fixture(params=["local", "redis"])
def tell(request: pytest.FixtureRequest, tmp_path: Path) -> Tell:
    """Runs a story on a ledger of its own process, as it were: the same file or server, a new object each time."""

    def made() -> Ledger:
        if request.param == "local":
            return LocalLedger(tmp_path / "sessions.sqlite", timeout=5.0)
        server = request.getfixturevalue("redis_server")
        return RedisLedger(RedisConfig(host=server.host, port=server.port, timeout=5.0))

    def told(story: Story) -> Any:
        async def run() -> Any:
            ledger = made()
            try:
                return await story(ledger)
            finally:
                await ledger.close()

        return asyncio.run(run())

    return told


def test_a_new_session_has_seen_nothing(tell: Tell) -> None:
    assert tell(lambda ledger: ledger.read(7, "7:1")) == NOTHING_SEEN


def test_a_session_knows_what_it_was_served_in_order_whichever_process_asks(tell: Tell) -> None:
    tell(lambda ledger: ledger.served(served("f1", "AU:5", "FW:flow3")))
    tell(lambda ledger: ledger.served(served("f2", "NU:4")))
    seen = tell(lambda ledger: ledger.read(7, "7:1"))
    assert seen.served_videos == (5, 4)
    assert seen.served_flows == (3,)
    assert seen.last_creators == (105, 103, 104)


def test_served_items_belong_to_the_session_and_to_its_viewer(tell: Tell) -> None:
    tell(lambda ledger: ledger.served(served("f1", "AU:5")))
    assert tell(lambda ledger: ledger.read(7, "7:2")) == NOTHING_SEEN
    assert tell(lambda ledger: ledger.read(8, "7:1")) == NOTHING_SEEN


def test_watched_and_hidden_items_follow_the_viewer_into_every_session(tell: Tell) -> None:
    acts = [
        event(1, video_id=5),
        event(2, "hide", video_id=6),
        event(3, "hide", flow_id=2),
        event(4, "like", video_id=9),
    ]
    tell(lambda ledger: ledger.acted(acts))
    seen = tell(lambda ledger: ledger.read(7, "7:99"))
    assert (set(seen.watched_videos), seen.hidden_videos, seen.hidden_flows) == ({5, 9}, (6,), (2,))
    assert tell(lambda ledger: ledger.read(8, "8:1")) == NOTHING_SEEN


def test_only_the_last_creators_are_kept(tell: Tell) -> None:
    for page in (range(1, 61), range(61, 121)):
        tell(lambda ledger, page=page: ledger.served(served(f"f{page.start}", *(f"AU:{n}" for n in page))))
    seen = tell(lambda ledger: ledger.read(7, "7:1"))
    assert seen.last_creators == tuple(range(126, 221))
    assert len(seen.served_videos) == 120


def test_the_latest_feed_that_showed_an_item_is_known(tell: Tell) -> None:
    tell(lambda ledger: ledger.served(served("f1", "AU:1", "FW:flow3")))
    tell(lambda ledger: ledger.served(served("f2", "NU:1", "NU:2", session_id="7:2")))
    asked = [event(1), event(2, flow_id=3), event(3, video_id=2), event(4, video_id=77), event(5, user_id=8)]
    assert tell(lambda ledger: ledger.latest_feeds(asked)) == {uuid(1): "f2", uuid(2): "f1", uuid(3): "f2"}


def test_an_empty_feed_is_no_trouble(tell: Tell) -> None:
    tell(lambda ledger: ledger.served(served("f1")))
    assert tell(lambda ledger: ledger.read(7, "7:1")) == NOTHING_SEEN


def test_views_likes_and_ratings_mean_watched_of_videos_and_of_flows(tell: Tell) -> None:
    acts = [
        event(1, video_id=5),
        event(2, "like", video_id=6),
        event(3, "rating", video_id=8, rating=5),
        event(4, "share", video_id=9),
        event(5, flow_id=3),
    ]
    tell(lambda ledger: ledger.acted(acts))
    seen = tell(lambda ledger: ledger.read(7, "7:1"))
    assert set(seen.watched_videos) == {5, 6, 8}
    assert seen.watched_flows == (3,)


def test_a_session_of_hundreds_of_short_pages_forgets_none_of_them(tell: Tell) -> None:
    async def scroll(ledger: Ledger) -> Any:
        for page in range(150):
            await ledger.served(served(f"f{page}", f"AU:{page + 1}"))
        return await ledger.read(7, "7:1")

    assert tell(scroll).served_videos == tuple(range(1, 151))


def test_the_latest_thousand_watched_items_of_a_viewer_are_kept(tell: Tell) -> None:
    acts = [event(n, video_id=n) for n in range(1, MOST_WATCHED + 6)]
    tell(lambda ledger: ledger.acted([*acts, event(9000, "hide", video_id=3), event(9001, user_id=8, video_id=3)]))
    seen = tell(lambda ledger: ledger.read(7, "7:1"))
    assert set(seen.watched_videos) == set(range(6, MOST_WATCHED + 6))
    assert seen.hidden_videos == (3,)
    assert tell(lambda ledger: ledger.read(8, "8:1")).watched_videos == (3,)


LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def test_a_hide_from_a_phone_whose_clock_is_years_behind_holds_from_now_on(tell: Tell) -> None:
    tell(lambda ledger: ledger.acted([event(n, "hide", video_id=n) for n in range(1, MOST_HIDDEN + 1)]))
    tell(lambda ledger: ledger.acted([event(9001, "hide", video_id=9001, timestamp=LONG_AGO)]))
    tell(lambda ledger: ledger.served(served("f1", "AU:5")))
    seen = tell(lambda ledger: ledger.read(7, "7:1"))
    assert set(seen.hidden_videos) == {*range(2, MOST_HIDDEN + 1), 9001}


def test_an_older_act_that_is_sent_late_does_not_make_a_watched_item_an_old_one(tell: Tell) -> None:
    acts = [event(n, video_id=n) for n in range(1, MOST_WATCHED + 1)]
    tell(lambda ledger: ledger.acted(acts))
    tell(lambda ledger: ledger.acted([event(2001, video_id=1, timestamp=LONG_AGO), event(2002, video_id=2002)]))
    seen = tell(lambda ledger: ledger.read(7, "7:1"))
    assert set(seen.watched_videos) == {1, *range(3, MOST_WATCHED + 1), 2002}
