"""Small random worlds, straight as arrays: nothing to load, nothing to build."""

from typing import Any

import numpy as np

from engine.bandit.policy import Policy
from engine.features import DIMENSIONS, INDEX, VIDEO_COLUMNS
from engine.world import World

GATE = VIDEO_COLUMNS.index(INDEX["passes_quality_gate"])


def random_world(
    seed: int = 0, *, videos: int = 300, creators: int = 60, users: int = 50, flows: int = 12, width: int = 16
) -> World:
    """A world with random everything. User and creator ids are 0, 1, ..., so some users have videos of their own."""
    random = np.random.default_rng(seed)
    creators = max(1, creators)
    features = random.random((len(VIDEO_COLUMNS), videos)).astype(np.float32)
    features[GATE] = random.random(videos) < 0.8
    video_creator = random.integers(0, creators, videos).astype(np.int32)
    creator_start, creator_video = grouped(video_creator, creators)
    terms = 20
    video_terms = [np.flatnonzero(random.random(terms) < 0.15) for _ in range(videos)]
    pairs = [(term, row, 1 / len(own)) for row, own in enumerate(video_terms) for term in own]
    pairs.sort()
    term_of = np.array([pair[0] for pair in pairs], dtype=np.int64)
    arrays: dict[str, Any] = {
        "video_id": np.arange(videos, dtype=np.int64) * 3 + 1,
        "video_creator": video_creator,
        "video_city": random.integers(-1, 5, videos).astype(np.int32),
        "video_country": random.integers(-1, 3, videos).astype(np.int32),
        "video_fresh": (random.random(videos) < 0.4).astype(np.uint8),
        "video_features": features,
        **random_skills(random, videos, width),
        "term_start": np.searchsorted(term_of, np.arange(terms + 1)).astype(np.int64),
        "term_video": np.array([pair[1] for pair in pairs], dtype=np.int32),
        "term_weight": np.array([pair[2] for pair in pairs], dtype=np.float32),
        "term_kind": np.zeros(terms, dtype=np.uint8),
        "user_id": np.arange(users, dtype=np.int64),
        "user_city": random.integers(-1, 5, users).astype(np.int32),
        "user_country": random.integers(-1, 3, users).astype(np.int32),
        "user_embedding": unit(random.normal(size=(users, width))),
        "user_creator": np.where(np.arange(users) < creators, np.arange(users), -1).astype(np.int32),
        "creator_id": np.arange(creators, dtype=np.int64),
        "creator_video_start": creator_start,
        "creator_video": creator_video,
        "flow_id": np.arange(flows, dtype=np.int64) + 1,
        "flow_creator": random.integers(0, creators, flows).astype(np.int32),
        "flow_temporal": random.random(flows).astype(np.float32),
    }
    arrays |= ragged("user_term", random, users, terms, 4)
    arrays |= ragged("user_watched", random, users, videos, 6)
    arrays |= ragged("user_liked", random, users, videos, 3)
    arrays |= ragged("user_friend", random, users, users, 4)
    arrays |= fragments("video", videos) | fragments("flow", flows)
    return World(snapshot_id=f"random-{seed}", details={}, **arrays)


def trained_policy(seed: int, world: World, without: int | None = None) -> Policy:
    """Bandits that have seen 200 random outcomes each, all of them with feature `without` at 0."""
    random = np.random.default_rng(seed)
    policy = Policy.untrained((1.0,))
    for statistics in policy.statistics.values():
        x = random.random((200, DIMENSIONS)) / np.sqrt(DIMENSIONS)
        if without is not None:
            x[:, without] = 0.0
        statistics.observe(x, random.random((200, 1)), random.choice(world.video_id, 200))
    return policy


def grouped(owner: Any, owners: int) -> tuple[Any, Any]:
    """Rows by owner: offsets (owners + 1,) and rows."""
    order = np.argsort(owner, kind="stable").astype(np.int32)
    return np.searchsorted(owner[order], np.arange(owners + 1)).astype(np.int64), order


def random_skills(random: np.random.Generator, videos: int, width: int) -> dict[str, Any]:
    """Skills with random unit vectors; a video has none to six of them, weighted so that its vector has length 1."""
    vectors = unit(random.normal(size=(40, width)))
    chosen = random.integers(0, len(vectors), (6, videos)).astype(np.int32)
    weights = random.random((6, videos)) * (np.arange(6)[:, None] < random.integers(0, 7, videos))
    length = np.linalg.norm(np.einsum("sn,snd->nd", weights, vectors[chosen]), axis=1)
    weights = (weights / np.where(length > 0, length, 1)).astype(np.float32)
    more = np.repeat(np.arange(videos, dtype=np.int32), 2)
    return {
        "skill_vector": vectors,
        "video_skill": np.ascontiguousarray(chosen[:4]),
        "video_skill_weight": np.ascontiguousarray(weights[:4]),
        "more_skill_video": more,
        "more_skill": np.ascontiguousarray(chosen[4:].T.ravel()),
        "more_skill_weight": np.ascontiguousarray(weights[4:].T.ravel()),
    }


def ragged(name: str, random: np.random.Generator, rows: int, values: int, most: int) -> dict[str, Any]:
    """Random ascending lists without repeats, a row each."""
    lists = [np.sort(random.permutation(values)[: random.integers(0, most + 1)]) for _ in range(rows)]
    start = np.concatenate([[0], np.cumsum([len(own) for own in lists])]).astype(np.int64)
    flat = np.concatenate([np.zeros(0, dtype=np.int32), *lists]).astype(np.int32)
    return {f"{name}_start": start, name: flat}


def fragments(kind: str, rows: int) -> dict[str, Any]:
    """The least JSON members an item may have."""
    parts = [b'"type":"%s","id":%d' % (kind.encode(), row) for row in range(rows)]
    lengths = np.fromiter(map(len, parts), dtype=np.int64, count=rows)
    start = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    return {f"{kind}_fragment": np.frombuffer(b"".join(parts), dtype=np.uint8), f"{kind}_fragment_start": start}


def unit(vectors: Any) -> Any:
    """Rows of length 1, float32."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.where(length > 0, length, 1), dtype=np.float32)
