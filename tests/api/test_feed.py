"""The feed over HTTP: its shape, its checks, its reproducibility."""

from typing import Any

import pytest

from tests.api.server import Server

ANSWER = ["feed_id", "user_id", "session_id", "snapshot_id", "policy_version", "seed", "served_at", "mix_ids", "items",
          "relaxed", "short", "degraded"]  # fmt: skip
ITEM = ["position", "pool", "type", "id", "creator_id", "creator_name", "video_url", "description", "skills", "city",
        "country", "created_at", "views", "avg_rating", "like_count", "score", "propensity", "reason"]  # fmt: skip
LARGEST = 2**63 - 1


def fields(server: Server, **body: Any) -> list[str]:
    """The fields that a refused request names."""
    answer = server.http.post("/v1/feed", json=body)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "invalid_request"
    return [error["field"] for error in problem["errors"]]


def test_a_feed_has_the_documented_fields_in_their_order(server: Server) -> None:
    feed = server.feed(user_id=7)
    assert list(feed) == ANSWER
    assert len(feed["items"]) == 24
    assert not feed["short"]
    assert feed["degraded"] == []
    for position, item in enumerate(feed["items"], start=1):
        known = [name for name in item if name in ITEM]
        assert known == (ITEM if item["type"] == "video" else [name for name in ITEM if name in item])
        assert item["position"] == position
    assert feed["mix_ids"] == [f"{item['type']}:{item['id']}" for item in feed["items"]]
    assert {"position", "rule"} >= {name for entry in feed["relaxed"] for name in entry}


def test_pools_follow_the_pattern_but_for_explore_turns_and_recorded_relaxations(server: Server) -> None:
    feed = server.feed(user_id=7)
    relaxed = {entry["position"] for entry in feed["relaxed"]}
    for item, planned in zip(feed["items"], ["VMP", "AU", "AU", "VMP", "NU", "FW"] * 4, strict=True):
        assert item["slot"] == planned
        assert item["pool"] in (planned, "EXPLORE") or item["position"] in relaxed


def test_the_same_seed_gives_the_same_bytes_but_for_ids_and_times(server: Server) -> None:
    def answer() -> bytes:
        raw = server.http.post("/v1/feed", json={"user_id": 9, "seed": 5}).content
        feed = server.feed(user_id=9, seed=5)
        for name in ("feed_id", "session_id", "served_at"):
            raw = raw.replace(str(feed[name]).encode(), b"")
        return raw[raw.index(b'"snapshot_id"') : raw.index(b'"served_at"')] + raw[raw.index(b'"mix_ids"') :]

    assert answer() == answer()


def test_get_is_the_same_as_post(server: Server) -> None:
    by_get = server.http.get("/v1/feed", params={"user_id": 9, "excluded_ids": "1,2,flow:3", "seed": 5, "size": 30})
    by_post = server.feed(user_id=9, excluded_ids=[1, 2, "flow:3"], seed=5, size=30)
    assert by_get.json()["items"] == by_post["items"]
    assert by_get.headers["cache-control"] == "no-store"


def test_excluded_ids_of_every_kind_are_left_out(server: Server) -> None:
    first = server.feed(user_id=9, seed=5)["mix_ids"]
    numbers = [int(item.removeprefix("video:")) for item in first[:4]]
    assert not set(first) & set(server.feed(user_id=9, seed=5, excluded_ids=[*numbers, *first[4:]])["mix_ids"])


def test_pages_of_a_session_do_not_repeat_and_a_hide_counts_on_the_next(server: Server) -> None:
    first = server.feed(user_id=11)
    second = server.feed(user_id=11, session_id=first["session_id"])
    assert second["session_id"] == first["session_id"]
    assert not set(first["mix_ids"]) & set(second["mix_ids"])
    hidden = second["items"][0]["id"]
    event = {"event_type": "hide", "user_id": 11, "video_id": hidden}
    assert server.http.post("/v1/events", json={"events": [event]}).status_code == 202
    for _ in range(3):
        assert f"video:{hidden}" not in server.feed(user_id=11, size=96)["mix_ids"]


@pytest.mark.parametrize("user", [0, LARGEST, 999_999_999])
def test_an_unknown_viewer_gets_a_full_feed(server: Server, user: int) -> None:
    assert len(server.feed(user_id=user)["items"]) == 24


@pytest.mark.parametrize("size", [1, 96])
def test_the_size_asked_for_is_served(server: Server, size: int) -> None:
    assert len(server.feed(user_id=1, size=size)["items"]) == size


@pytest.mark.parametrize("user", [None, -1, 1.5, "7", True, [1], {}, LARGEST + 1, 10**30])
def test_a_wrong_user_id_is_named(server: Server, user: Any) -> None:
    assert fields(server, user_id=user) == ["user_id"]


@pytest.mark.parametrize(
    "entry", ["12", "video:", "clip:1", "video:-1", -1, 1.5, True, None, [], LARGEST + 1, "flow:" + "9" * 19]
)
def test_a_wrong_excluded_id_is_named_with_its_place(server: Server, entry: Any) -> None:
    assert fields(server, user_id=1, excluded_ids=[1, 2, 3, entry]) == ["excluded_ids[3]"]


@pytest.mark.parametrize("ids", ["1,2", 5, {}, list(range(2001))])
def test_excluded_ids_must_be_a_list_of_at_most_two_thousand(server: Server, ids: Any) -> None:
    assert fields(server, user_id=1, excluded_ids=ids) == ["excluded_ids"]


def test_two_thousand_exclusions_are_taken(server: Server) -> None:
    assert len(server.feed(user_id=1, excluded_ids=list(range(2000)))["items"]) == 24


@pytest.mark.parametrize(
    ("name", "value"),
    [("size", 0), ("size", 97), ("size", "24"), ("size", None), ("seed", -1), ("seed", 2**63), ("seed", 0.5),
     ("session_id", 5), ("session_id", "a b"), ("session_id", "x" * 65), ("session_id", "a\n")],
)  # fmt: skip
def test_every_other_wrong_field_is_named(server: Server, name: str, value: Any) -> None:
    assert fields(server, **{"user_id": 1, name: value}) == [name]


def test_all_wrong_fields_are_named_together(server: Server) -> None:
    assert fields(server, user_id=-1, size=0, excluded_ids=["x"]) == ["user_id", "size", "excluded_ids[0]"]


@pytest.mark.parametrize(
    ("query", "field"),
    [("", "user_id"), ("user_id=x", "user_id"), ("user_id=-1", "user_id"), ("user_id=1&size=1e1", "size"),
     ("user_id=1&excluded_ids=1,,2", "excluded_ids[1]"), ("user_id=1&seed=99999999999999999999", "seed"),
     ("user_id=1&excluded_ids=" + ",".join(map(str, range(2001))), "excluded_ids")],
)  # fmt: skip
def test_get_is_checked_as_post_is(server: Server, query: str, field: str) -> None:
    answer = server.http.get(f"/v1/feed?{query}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
