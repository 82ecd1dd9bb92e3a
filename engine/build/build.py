"""The story of a build: number the rows, find the skills' directions, score the videos, write down who knows whom.

Everything is known from the tables and their point in time: no clock, no input or output, no chance.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from data.tables import Tables
from engine.build import fragments, graph, scores, skills, viewers
from engine.build.names import Vocabulary, codes, towns
from engine.build.rows import Rows, ids, positions
from engine.build.terms import Terms, kind_vocabularies, terms
from engine.config import EngineConfig

Arrays = dict[str, NDArray[Any]]
FIRST_SKILLS = 4  # skills of a video that are kept in columns, for vector instructions
LANES = 8  # embeddings are padded to a multiple of this many columns, for vector instructions


def build(tables: Tables, config: EngineConfig) -> tuple[Arrays, dict[str, object]]:
    """Clean tables to the arrays of a snapshot and its details. docs/snapshot.md lists names, types and shapes."""
    rows = Rows.of(tables)
    vocabularies = kind_vocabularies(rows.videos, rows.users)
    friends = graph.adjacency(len(rows.users), *rows.friends)
    matching = terms(vocabularies, config)
    arrays: Arrays = {
        **_videos(rows, config),
        "video_features": _features(rows, vocabularies["skills"], friends, config),
        **_embeddings(rows, vocabularies["skills"], config),
        **_places(rows),
        **_terms(matching),
        **_users(rows, matching, friends),
        **_creators(rows),
        **_flows(rows, config),
    }
    return arrays, _details(tables, arrays, vocabularies)


def _videos(rows: Rows, config: EngineConfig) -> Arrays:
    age = rows.age_days(rows.videos["created_at"])
    blob, start = fragments.joined(fragments.video_fragments(rows.videos))
    return {
        "video_id": ids(rows.videos["id"]),
        "video_creator": rows.creator_rows(rows.videos["user_id"]),
        "video_age_days": age.astype(np.float32),
        "video_fresh": (age < config.fresh_days).astype(np.uint8),
        "video_fragment": blob,
        "video_fragment_start": start,
    }


def _features(rows: Rows, known: Vocabulary, friends: csr_array, config: EngineConfig) -> NDArray[np.float32]:
    """The video features, shape (13, videos), in the order of `engine.features.VIDEO_COLUMNS`."""
    column = {name: rows.videos[name].to_numpy(dtype=np.float64) for name in _COUNTS}
    age, stated = rows.age_days(rows.videos["created_at"]), known.incidence[0]
    shrunk = scores.shrunk_rating(column["avg_rating"], column["rating_count"], config.rating_prior)
    quality = scores.quality(shrunk)
    gate = scores.quality_gate(
        shrunk,
        fragments.texts(rows.videos["video"]),
        column["broken_reports"],
        least_rating=config.gate_rating,
        most_reports=config.gate_broken_reports,
    )
    features = (
        scores.engagement(column["views"], shrunk, column["connection_count"]),
        scores.temporal(age, config.half_life_days),
        quality,
        scores.popularity(column["views"], column["like_count"], age),
        scores.diversity(stated),
        scores.log_views(column["views"]),
        scores.rating(column["avg_rating"]),
        scores.rarity(stated),
        gate,
        _creator_influence(rows, friends),
        scores.share_of_largest(column["rating_count"]),
        scores.share_of_largest(column["like_count"]),
        scores.share_of_largest(column["exhibited_count"]),
    )
    return np.stack(features).astype(np.float32)


_COUNTS = (
    "views",
    "avg_rating",
    "rating_count",
    "like_count",
    "connection_count",
    "exhibited_count",
    "broken_reports",
)


def _creator_influence(rows: Rows, friends: csr_array) -> NDArray[np.float64]:
    influence = np.append(graph.influence(friends), 0.0)  # the last is for creators whom no table knows: row -1
    return np.asarray(influence[positions(ids(rows.videos["user_id"]), ids(rows.users["id"]))])


def _embeddings(rows: Rows, known: Vocabulary, config: EngineConfig) -> Arrays:
    of_videos, of_users = known.incidence
    vectors = skills.skill_vectors(known.incidence, config.embedding_width)
    weights = skills.inverse_document_frequency(of_videos)
    videos = skills.bag_vectors(of_videos, weights, vectors)
    acts = rows.acts
    said = viewers.taste_weights(acts, rows.age_days(acts["created_at"]), config.taste_half_life_days)
    taste = viewers.pairs(*rows.watching, (len(rows.users), len(rows.videos)), said)
    users = viewers.viewer_vectors(skills.bag_vectors(of_users, weights, vectors), taste, videos)
    return {
        "user_embedding": _padded(users),
        # Where no skill is stated, a zero row: videos with fewer than `FIRST_SKILLS` point at row 0, with weight 0.
        "skill_vector": _padded(vectors if len(vectors) else np.zeros((1, 0))),
        **_skill_weights(of_videos, weights, vectors),
    }


def _skill_weights(of_videos: csr_array, weights: NDArray[np.float64], vectors: NDArray[np.float64]) -> Arrays:
    """A video's unit vector as weights of its skills: the first `FIRST_SKILLS` in columns, further ones as triples."""
    length = np.linalg.norm(np.asarray(of_videos @ (vectors * weights[:, None])), axis=1)
    entries = of_videos.tocoo()
    video, skill = entries.coords
    order = np.lexsort((skill, video))
    video, skill = video[order], skill[order]
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > skills.NEGLIGIBLE)
    weight = (weights[skill] * scale[video]).astype(np.float32)
    place = np.arange(len(video)) - np.searchsorted(video, video)
    first = place < FIRST_SKILLS
    columns = np.zeros((FIRST_SKILLS, of_videos.shape[0]), dtype=np.int32)
    column_weights = np.zeros(columns.shape, dtype=np.float32)
    columns[place[first], video[first]] = skill[first]
    column_weights[place[first], video[first]] = weight[first]
    return {
        "video_skill": columns,
        "video_skill_weight": column_weights,
        "more_skill_video": video[~first].astype(np.int32),
        "more_skill": skill[~first].astype(np.int32),
        "more_skill_weight": weight[~first],
    }


def _padded(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    rows, width = vectors.shape
    padded = np.zeros((rows, max(LANES, -(-width // LANES) * LANES)), dtype=np.float32)
    padded[:, :width] = vectors
    return padded


def _places(rows: Rows) -> Arrays:
    video_city, user_city = codes(rows.videos["city"], rows.users["city"])
    video_country, user_country = codes(rows.videos["creator_country"], rows.users["country"])
    video_city, user_city = towns((video_city, video_country), (user_city, user_country))
    return {
        "video_city": video_city,
        "video_country": video_country,
        "user_city": user_city,
        "user_country": user_country,
    }


def _terms(matching: Terms) -> Arrays:
    lists = matching.weight.tocsc()
    names, start = fragments.joined(name.encode() for name in matching.names)
    return {
        "term_start": lists.indptr.astype(np.int64),
        "term_video": lists.indices.astype(np.int32),
        "term_weight": lists.data.astype(np.float32),
        "term_name": names,
        "term_name_start": start,
        "term_kind": matching.kinds,
    }


def _users(rows: Rows, matching: Terms, friends: csr_array) -> Arrays:
    shape = len(rows.users), len(rows.videos)
    arrays: Arrays = {
        "user_id": ids(rows.users["id"]),
        "user_creator": positions(ids(rows.users["id"]), rows.creator_id),
        **_lists("user_term", matching.stated),
        **_lists("user_friend", friends),
    }
    for name, meant in (("user_watched", viewers.watched(rows.acts)), ("user_liked", viewers.liked(rows.acts))):
        user, video = rows.watching
        arrays |= _lists(name, viewers.pairs(user[meant], video[meant], shape))
    return arrays


def _lists(name: str, matrix: csr_array) -> Arrays:
    matrix.sort_indices()
    return {f"{name}_start": matrix.indptr.astype(np.int64), name: matrix.indices.astype(np.int32)}


def _creators(rows: Rows) -> Arrays:
    creator = rows.creator_rows(rows.videos["user_id"])
    start = np.searchsorted(np.sort(creator), np.arange(len(rows.creator_id) + 1))
    return {
        "creator_id": rows.creator_id,
        "creator_video_start": start.astype(np.int64),
        "creator_video": np.argsort(creator, kind="stable").astype(np.int32),
    }


def _flows(rows: Rows, config: EngineConfig) -> Arrays:
    blob, start = fragments.joined(fragments.flow_fragments(rows.flows))
    freshness = scores.temporal(rows.age_days(rows.flows["created_at"]), config.half_life_days)
    return {
        "flow_id": ids(rows.flows["id"]),
        "flow_creator": rows.creator_rows(rows.flows["user_id"]),
        "flow_temporal": freshness.astype(np.float32),
        "flow_fragment": blob,
        "flow_fragment_start": start,
    }


def _details(tables: Tables, arrays: Arrays, vocabularies: Mapping[str, Vocabulary]) -> dict[str, object]:
    counts = {name: len(arrays[f"{name[:-1]}_id"]) for name in ("videos", "users", "flows", "creators")}
    counts |= {name: tables.rows(name) for name in ("interactions", "connections")}
    counts |= {name: len(known) for name, known in vocabularies.items()}
    return {
        "as_of": tables.as_of.isoformat(),
        "source": tables.source,
        "counts": counts,
        "quarantine": {table: dict(reasons) for table, reasons in tables.quarantine.items()},
        "watermark": dict(tables.watermark),
    }
