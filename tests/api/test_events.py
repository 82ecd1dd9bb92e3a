"""Events over HTTP: what is accepted, what is a duplicate, what is rejected and why."""

import sqlite3
import time
import uuid
from contextlib import closing

from tests.api.conftest import MakeServer
from tests.api.server import PATIENCE, Server


def test_a_view_needs_three_fields(server: Server) -> None:
    event = {"event_type": "video_view", "user_id": 7, "video_id": 12}
    answer = server.http.post("/v1/events", json={"events": [event]})
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": [], "durability": "local"}


def test_the_same_event_again_is_a_duplicate(server: Server) -> None:
    event = {"event_id": str(uuid.uuid4()), "event_type": "like", "user_id": 7, "video_id": 12}
    server.http.post("/v1/events", json={"events": [event]})
    answer = server.http.post("/v1/events", json={"events": [event, event]}).json()
    assert (answer["accepted"], answer["duplicates"]) == (0, 2)


def test_wrong_events_are_rejected_one_by_one(server: Server) -> None:
    good = {"event_type": "share", "user_id": 7, "video_id": 12}
    answer = server.http.post("/v1/events", json={"events": [{"event_type": "dance"}, good, 5]}).json()
    assert answer["accepted"] == 1
    assert [(entry["index"], entry["code"]) for entry in answer["rejected"]] == [
        (0, "unknown_event_type"),
        (2, "not_an_object"),
    ]


def test_one_view_is_the_body_itself(server: Server) -> None:
    assert server.http.post("/v1/video-views", json={"user_id": 7, "video_id": 12}).json()["accepted"] == 1
    for body, field in (
        ({"video_id": 12}, "user_id"),
        ({"user_id": 7, "video_id": 1, "event_type": "like"}, "event_type"),
    ):
        answer = server.http.post("/v1/video-views", json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field


def test_a_view_teaches_and_every_worker_serves_the_new_policy(make_server: MakeServer) -> None:
    taught = make_server(FLUSH_COUNT="1", LEARN_SECONDS="0.2", WORKERS="2").start()
    taught.wait_until()
    feed = taught.feed(user_id=7)
    item = feed["items"][0]
    event = {"event_type": "video_view", "user_id": 7, "video_id": item["id"], "feed_id": feed["feed_id"],
             "position": 1, "watch_seconds": 30, "duration_seconds": 30}  # fmt: skip
    assert taught.http.post("/v1/events", json={"events": [event]}).json()["accepted"] == 1
    limit = time.monotonic() + PATIENCE
    while True:
        workers = taught.http.get("/health").json()["workers"]
        if len(workers) == 2 and all(worker["policy_version"] != "untrained" for worker in workers):
            break
        assert time.monotonic() < limit
        time.sleep(0.1)
    assert taught.stop() == 0
    with closing(sqlite3.connect(taught.data_dir / "activity.sqlite")) as file:
        assert file.execute("SELECT count(*) FROM activity_log WHERE event_type = 'video_view'").fetchone() == (1,)
        assert file.execute("SELECT count(*) FROM feed_log").fetchone() == (1,)
