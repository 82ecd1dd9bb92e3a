"""The pages on activity say what the code does."""

import re
from pathlib import Path

from tracking.events import EVENT_TYPES, FEED_REQUEST, FIELDS
from tracking.redis_buffer import DRAINING, PREFIXES, WAITING
from tracking.rewards import FULL_SHARE, KINDS, REWARDS

DOCS = Path(__file__).parents[2] / "docs"


def names_in_first_cells(page: str) -> list[str]:
    rows = re.findall(r"^\| (`[^|]*) \|", (DOCS / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_every_event_type_and_field_is_documented() -> None:
    found = names_in_first_cells("events.md")
    assert found[: len(EVENT_TYPES) + 1] == [*EVENT_TYPES, FEED_REQUEST]
    assert set(found[len(EVENT_TYPES) + 1 :][: len(FIELDS)]) == set(FIELDS)


def test_every_redis_list_is_documented() -> None:
    found = names_in_first_cells("events.md")
    assert {f"{prefix}{{user_id}}" for prefix in PREFIXES.values()} | {WAITING, DRAINING} <= set(found)


def test_every_reward_is_documented_with_its_weight() -> None:
    text = (DOCS / "rewards.md").read_text(encoding="utf-8")
    assert names_in_first_cells("rewards.md") == list(KINDS)
    assert [float(weight) for weight in re.findall(r"^\| `\w+` \| ([\d.]+) \|", text, flags=re.MULTILINE)] == list(
        REWARDS.values()
    )
    assert [int(share) / 100 for share in re.findall(r"\| (\d+) % \|", text)] == [share for _, share in FULL_SHARE]
