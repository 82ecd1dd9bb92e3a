"""Ready-made JSON of items."""

import json

from engine.build import fragments
from tests.engine.build.worlds import flow, tables, video


def test_a_video_says_all_that_does_not_depend_on_the_request() -> None:
    row = video(12, 7, views=3, video_skills=["Canción"], description='a "b"\n', avg_rating=4.25, rating_count=4)
    (fragment,) = fragments.video_fragments(tables(videos=[row]).videos)
    assert json.loads(b"{" + fragment + b"}") == {
        "type": "video", "id": 12, "creator_id": 7, "creator_name": None, "name": None,
        "video_url": "https://cdn.example/12.mp4", "description": 'a "b"\n', "skills": ["Canción"], "city": None,
        "country": None, "created_at": "2026-02-28T12:00:00Z", "views": 3, "avg_rating": 4.25, "rating_count": 4,
        "like_count": 0,
    }  # fmt: skip


def test_a_flow_has_the_same_members() -> None:
    (of_flow,) = fragments.flow_fragments(tables(flows=[flow(3, created_at=None)]).flows)
    (of_video,) = fragments.video_fragments(tables(videos=[video(3)]).videos)
    item = json.loads(b"{" + of_flow + b"}")
    assert item.keys() == json.loads(b"{" + of_video + b"}").keys()
    assert (item["type"], item["name"], item["created_at"], item["avg_rating"]) == ("flow", "Show it", None, None)
