"""Catalogues of any size with the statistics that cost time: skills in clusters, shared terms, friends and likes."""

from typing import Any

import numpy as np

from engine.world import World
from tests.support.worlds import fragments, grouped, unit

SKILLS, CLUSTERS, WIDTH = 300, 20, 64
TERMS_BESIDE = 100
Random = np.random.Generator


def catalogue(videos: int, users: int = 2_000, flows: int = 80, seed: int = 1) -> World:
    """`videos` videos of a fifth as many creators; each has one to four skills of one cluster, mostly its first."""
    random = np.random.default_rng(seed)
    creators = max(1, videos // 5)
    video_creator = random.integers(0, creators, videos).astype(np.int32)
    creator_start, creator_video = grouped(video_creator, creators)
    features = random.random((13, videos), dtype=np.float32)
    features[8] = random.random(videos) < 0.9
    cluster_of_video, cluster_of_user = random.integers(0, CLUSTERS, videos), random.integers(0, CLUSTERS, users)
    skill, weight = skills_of(random, cluster_of_video)
    vectors = unit(
        np.repeat(random.normal(size=(CLUSTERS, WIDTH)), SKILLS // CLUSTERS, axis=0) * 1.5
        + random.normal(size=(SKILLS, WIDTH))
    )
    length = np.linalg.norm(np.einsum("sn,snd->nd", weight[:, :1000], vectors[skill[:, :1000]]), axis=1).mean()
    arrays: dict[str, Any] = {
        "video_id": np.arange(videos, dtype=np.int64) + 1,
        "video_creator": video_creator,
        "video_city": random.integers(-1, 500, videos).astype(np.int32),
        "video_country": random.integers(-1, 30, videos).astype(np.int32),
        "video_fresh": (random.random(videos) < 0.05).astype(np.uint8),
        "video_features": features,
        "skill_vector": vectors,
        "video_skill": skill,
        "video_skill_weight": (weight / length).astype(np.float32),
        "more_skill_video": np.zeros(0, dtype=np.int32),
        "more_skill": np.zeros(0, dtype=np.int32),
        "more_skill_weight": np.zeros(0, dtype=np.float32),
        "user_id": np.arange(users, dtype=np.int64) + 1,
        "user_city": random.integers(-1, 500, users).astype(np.int32),
        "user_country": random.integers(-1, 30, users).astype(np.int32),
        "user_embedding": unit(
            vectors[cluster_of_user * (SKILLS // CLUSTERS)] + 0.2 * random.normal(size=(users, WIDTH))
        ),
        "user_creator": random.integers(-1, creators, users).astype(np.int32),
        "creator_id": np.arange(creators, dtype=np.int64) + 1,
        "creator_video_start": creator_start,
        "creator_video": creator_video,
        "flow_id": np.arange(flows, dtype=np.int64) + 1,
        "flow_creator": random.integers(0, creators, flows).astype(np.int32),
        "flow_temporal": np.exp2(-random.exponential(60, flows) / 30).astype(np.float32),
    }
    arrays |= terms_of(random, skill, weight, cluster_of_user)
    arrays |= lists("user_watched", random, users, videos, 40) | lists("user_liked", random, users, videos, 10)
    arrays |= lists("user_friend", random, users, users, 25)
    arrays |= fragments("video", videos) | fragments("flow", flows)
    return World(snapshot_id=f"catalogue-{videos}", details={}, **arrays)


def skills_of(random: Random, cluster: Any) -> tuple[Any, Any]:
    """Up to four skills a video (4, N) with their weights (4, N), 0 where there are fewer."""
    size = SKILLS // CLUSTERS
    skewed = np.minimum(random.geometric(0.2, (4, len(cluster))) - 1, size - 1)
    count = random.integers(1, 5, len(cluster))
    weight = (np.arange(4)[:, None] < count) * random.uniform(0.5, 1.5, (4, len(cluster)))
    return (cluster * size + skewed).astype(np.int32), weight


def terms_of(random: Random, skill: Any, weight: Any, cluster_of_user: Any) -> dict[str, Any]:
    """Inverted lists: the skills, and as many knowledge, tools and languages again; users state eight terms."""
    videos, size = skill.shape[1], SKILLS // CLUSTERS
    rows = np.arange(videos)
    beside = SKILLS + np.minimum(random.geometric(0.05, (2, videos)) - 1, TERMS_BESIDE - 1)
    term = np.concatenate([*(skill[i][weight[i] > 0] for i in range(4)), *beside])
    video = np.concatenate([*(rows[weight[i] > 0] for i in range(4)), rows, rows])
    order = np.lexsort((video, term))
    users = len(cluster_of_user)
    own = cluster_of_user[:, None] * size + random.integers(0, size, (users, 5))
    stated = np.concatenate([own, SKILLS + random.integers(0, TERMS_BESIDE, (users, 3))], axis=1)
    return {
        "term_start": np.searchsorted(term[order], np.arange(SKILLS + TERMS_BESIDE + 1)).astype(np.int64),
        "term_video": video[order].astype(np.int32),
        "term_weight": np.full(len(term), 0.2, dtype=np.float32),
        "term_kind": (np.arange(SKILLS + TERMS_BESIDE) >= SKILLS).astype(np.uint8),
        "user_term_start": np.arange(users + 1, dtype=np.int64) * 8,
        "user_term": np.ascontiguousarray(stated.ravel(), dtype=np.int32),
    }


def lists(name: str, random: Random, rows: int, values: int, each: int) -> dict[str, Any]:
    """`each` random entries a row."""
    start = np.arange(rows + 1, dtype=np.int64) * each
    return {f"{name}_start": start, name: random.integers(0, values, rows * each).astype(np.int32)}
