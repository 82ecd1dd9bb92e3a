"""The log has two lines an outage, whoever asks the part that is away, and for what."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.feed_types import Seen
from tests.tracking.worlds import NOON, served
from tracking import outages
from tracking.events import Event
from tracking.ledger import MARKS, NOTHING_MISSED, LedgerUnavailableError, Missed
from tracking.local_ledger import LocalLedger
from tracking.outages import CALM_SECONDS, STALE_SECONDS, Outages
from tracking.spool import Spool
from tracking.tracker import Tracker

LIKE = {"event_type": "like", "user_id": 7, "video_id": 12, "feed_id": "f1"}
SHARE = LIKE | {"event_type": "share"}
FEEDLESS = SHARE | {"feed_id": None}


def test_an_outage_is_two_lines_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    told = Outages(lambda: now[0])
    for _ in range(500):
        told.failed("session_ledger", OSError("gone"))
        told.answered("session_ledger", "activity_buffer")  # as one that takes reads alone
        now[0] += 0.01
    now[0] += CALM_SECONDS
    for _ in range(3):
        told.answered("session_ledger")
    assert [record.message for record in caplog.records] == [
        "session_ledger does not answer: gone",
        "session_ledger answers again; it failed 500 times in 5 s",
    ]


def test_a_failure_long_after_the_last_one_begins_another_outage(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    told = Outages(lambda: now[0])
    for pause in (STALE_SECONDS - 1, STALE_SECONDS, 1.0, CALM_SECONDS):
        told.failed("session_ledger", OSError(f"at {now[0]:.0f}"))
        now[0] += pause
    told.answered("session_ledger")
    assert [record.message for record in caplog.records] == [
        "session_ledger does not answer: at 0",
        "session_ledger does not answer: at 599",
        "session_ledger answers again; it failed 2 times in 1 s",
    ]


def test_what_refuses_writes_is_not_back_for_having_been_read(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    told = Outages(lambda: now[0])
    for _ in range(5):  # one feed now and then
        told.answered("session_ledger", reading=True)
        told.failed("session_ledger", OSError("full"))
        now[0] += 2 * CALM_SECONDS
    assert [record.message for record in caplog.records] == ["session_ledger does not answer: full"]


class Away(LocalLedger):
    """A ledger that answers nothing while it is `away`."""

    away = False

    def _must_answer(self) -> None:
        if self.away:
            raise LedgerUnavailableError("away")

    async def read(self, user_id: int, session_id: str, missed: Missed = NOTHING_MISSED) -> Seen:
        self._must_answer()
        return await super().read(user_id, session_id, missed)

    async def acted(self, events: Sequence[Event]) -> None:
        if any(event.event_type in MARKS for event in events):
            self._must_answer()
        await super().acted(events)

    async def latest_feeds(self, events: Sequence[Event]) -> Mapping[str, str]:
        self._must_answer()
        return await super().latest_feeds(events)


async def ask(tracker: Tracker, what: Any) -> None:
    """A feed is prepared, or recorded, or an event is taken."""
    if what == "seen":
        await tracker.seen(7, "7:1")
    elif what == "served":
        await tracker.record(served("f1", "AU:12"))
    else:
        await tracker.accept([what], NOON)


@pytest.mark.parametrize(
    ("asked", "back"),
    [(LIKE, LIKE), (LIKE, "served"), (FEEDLESS, FEEDLESS), (FEEDLESS, LIKE), ("seen", "seen"), ("seen", LIKE)],
)
def test_an_outage_of_the_ledger_ends_whoever_noticed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, asked: Any, back: Any
) -> None:
    monkeypatch.setattr(outages, "CALM_SECONDS", 0.0)
    said = list[list[str]]()

    async def story() -> None:
        buffer, ledger = Spool(tmp_path / "spool"), Away(tmp_path / "sessions.sqlite", timeout=5.0)
        tracker = Tracker(buffer=buffer, spool=buffer, ledger=ledger)
        for _ in range(2):
            ledger.away = True
            await ask(tracker, asked)
            await ask(tracker, SHARE)  # which the ledger is not told
            said.append([record.message.partition(" ")[2][:12] for record in caplog.records])
            ledger.away = False
            await ask(tracker, back)
        await tracker.close()

    asyncio.run(story())
    assert said == [["does not ans"], ["does not ans", "answers agai", "does not ans"]]
    assert [record.message.partition(" ")[0] for record in caplog.records] == ["session_ledger"] * 4


def test_a_ledger_is_back_although_the_buffer_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outages, "CALM_SECONDS", 0.0)

    async def story() -> None:
        buffer, ledger = Spool(tmp_path / "spool", cap_bytes=400), Away(tmp_path / "sessions.sqlite", timeout=5.0)
        tracker = Tracker(buffer=buffer, spool=buffer, ledger=ledger)
        ledger.away = True
        await ask(tracker, LIKE)
        ledger.away = False
        await ask(tracker, "served")
        await tracker.close()

    asyncio.run(story())
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "session_ledger does not answer",
        "activity_buffer does not answer",
        "session_ledger answers again; it failed 1 times in 0 s",
    ]
