"""The arrays of a snapshot: their shapes, their pointers, and worlds with almost nothing in them."""

import json

import numpy as np
import pytest

from engine.build import build
from engine.config import EngineConfig
from engine.features import VIDEO_COLUMNS
from tests.engine.build.worlds import NOW, act, days_ago, flow, tables, user, video

CONFIG = EngineConfig()

TINY = {
    "nothing": tables(),
    "one video": tables(videos=[video(5)]),
    "one user": tables(users=[user(1, skills=["Piano"])]),
    "one flow": tables(flows=[flow(2)]),
    "five videos of one creator": tables(
        videos=[video(i, video_skills=["Piano"]) for i in (9, 3, 5, 1, 7)], users=[user(1)], acts=[act(4, 9, "like")]
    ),
    "undated": tables(videos=[video(1, created_at=None), video(2)], flows=[flow(1, created_at=None)]),
}


@pytest.mark.parametrize("name", TINY)
def test_tiny_worlds_build_with_arrays_of_the_right_shapes(name: str) -> None:
    arrays, details = build(TINY[name], CONFIG)
    videos, users = len(arrays["video_id"]), len(arrays["user_id"])
    flows, creators = len(arrays["flow_id"]), len(arrays["creator_id"])
    terms = len(arrays["term_kind"])
    assert arrays["video_features"].shape == (len(VIDEO_COLUMNS), videos)
    assert arrays["video_features"].flags.c_contiguous
    width = arrays["skill_vector"].shape[1]
    assert width % 8 == 0 and arrays["user_embedding"].shape == (users, width)
    for start, rows in {
        "video_fragment_start": videos,
        "flow_fragment_start": flows,
        "creator_video_start": creators,
        "term_start": terms,
        "term_name_start": terms,
        "user_term_start": users,
        "user_watched_start": users,
        "user_liked_start": users,
        "user_friend_start": users,
    }.items():
        pointers = arrays[start]
        target = arrays["term_video" if start == "term_start" else start.removesuffix("_start")]
        assert len(pointers) == rows + 1 and pointers[0] == 0 and pointers[-1] == len(target), start
    assert json.dumps(details)
    assert all(np.isfinite(array).all() for key, array in arrays.items() if key != "video_age_days")


def test_rows_are_sorted_by_id_and_point_at_each_other() -> None:
    arrays, details = build(
        tables(
            videos=[video(30, 7), video(10, 9), video(20, 7)],
            users=[user(9), user(7)],
            acts=[act(8, 30, "video_view"), act(8, 10, "like"), act(8, 10, "like"), act(7, 20, "video_view", rating=5)],
            connections=[(9, 7), (11, 9)],
            flows=[flow(3, 11)],
        ),
        CONFIG,
    )
    assert arrays["video_id"].tolist() == [10, 20, 30]
    assert arrays["creator_id"].tolist() == [7, 9, 11]
    assert arrays["video_creator"].tolist() == [1, 0, 0]
    assert lists(arrays, "creator_video") == [[1, 2], [0], []]
    assert arrays["user_id"].tolist() == [7, 8, 9, 11]
    assert arrays["user_creator"].tolist() == [0, -1, 1, 2]
    assert lists(arrays, "user_friend") == [[2], [], [0, 3], [2]]
    assert lists(arrays, "user_watched") == [[1], [0, 2], [], []]
    assert lists(arrays, "user_liked") == [[1], [0], [], []]
    assert arrays["flow_creator"].tolist() == [2]
    assert details["counts"] == {
        "videos": 3, "users": 4, "flows": 1, "creators": 3, "interactions": 4, "connections": 2,
        "skills": 0, "knowledge": 0, "tools": 0, "languages": 0,
    }  # fmt: skip
    assert details["as_of"] == NOW.isoformat()


def test_places_share_codes_between_videos_and_viewers() -> None:
    arrays, _ = build(
        tables(
            videos=[video(1, city="Bogotá", creator_country="Colombia"), video(2)],
            users=[user(1, city="BOGOTA"), user(2, city="Lima", country="colombia"), user(3)],
        ),
        CONFIG,
    )
    assert arrays["video_city"][0] == arrays["user_city"][0] != arrays["user_city"][1]
    assert arrays["video_country"][0] == arrays["user_country"][1]
    assert arrays["video_city"][1] == arrays["user_city"][2] == arrays["user_country"][0] == -1


def test_age_decides_what_is_fresh_and_an_unknown_date_never_is() -> None:
    arrays, _ = build(
        tables(
            videos=[video(1, created_at=days_ago(44.9)), video(2, created_at=days_ago(45.1)), video(3, created_at=None)]
        ),
        CONFIG,
    )
    assert arrays["video_fresh"].tolist() == [1, 0, 0]
    assert arrays["video_age_days"].tolist() == pytest.approx([44.9, 45.1, np.inf])


def test_a_build_is_the_same_whatever_the_order_of_the_rows() -> None:
    videos = [video(i, i % 3, video_skills=[f"s{i % 4}", f"s{i % 5}"], views=i) for i in range(1, 20)]
    acts = [act(i % 6, 1 + i % 19, "like", days=i) for i in range(30)]
    one, _ = build(tables(videos=videos, acts=acts), CONFIG)
    other, _ = build(tables(videos=videos[::-1], acts=acts), CONFIG)
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def lists(arrays: dict[str, np.ndarray], name: str) -> list[list[int]]:
    """A list column as lists of rows."""
    start = arrays[f"{name}_start"]
    return [arrays[name][start[i] : start[i + 1]].tolist() for i in range(len(start) - 1)]


def test_cities_of_one_name_in_two_countries_are_two_towns_and_an_unknown_country_is_guessed_only_if_sure() -> None:
    arrays, _ = build(
        tables(
            videos=[
                video(1, city="Córdoba", creator_country="España"),
                video(2, city="Cordoba", creator_country="Argentina"),
                video(3, city="Lima", creator_country="Perú"),
            ],
            users=[user(1, city="Córdoba", country="argentina"), user(2, city="Córdoba"), user(3, city="lima")],
        ),
        EngineConfig(),
    )
    spain, argentina, lima = arrays["video_city"].tolist()
    assert len({spain, argentina, lima}) == 3
    assert arrays["user_city"][0] == argentina
    assert arrays["user_city"][1] not in (spain, argentina, -1)
    assert arrays["user_city"][2] == lima
