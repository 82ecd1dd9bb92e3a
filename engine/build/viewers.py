"""What viewers watched and liked, and where their taste points."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.build.skills import unit

# What an act says about taste, in [0, 1]. A rating says its share of five, whatever the act it came with.
TASTE: dict[str, float] = {
    "video_view": 0.3,
    "view": 0.3,
    "watch": 0.3,
    "rating": 0.6,
    "share": 0.8,
    "connection": 0.8,
    "like": 1.0,
}
WATCHED = frozenset({"video_view", "view", "watch", "like", "rating"})
LIKED_RATING = 4.0


def watched(acts: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether each act means that the video was watched: a view, a like, or any act with a rating."""
    return (acts["interaction_type"].isin(WATCHED) | acts["rating"].notna()).to_numpy(dtype=bool)


def liked(acts: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether each act means that the video was liked: a like, or a rating of at least 4 of 5."""
    return (acts["interaction_type"].isin({"like"}) | (acts["rating"] >= LIKED_RATING)).to_numpy(dtype=bool)


def pairs(
    user: NDArray[np.integer],
    video: NDArray[np.integer],
    shape: tuple[int, int],
    values: NDArray[np.float64] | None = None,
) -> csr_array:
    """A matrix of shape (users, videos) with the largest value of each pair, 1 without values.

    `user` and `video` are rows, ascending by user and then by video.
    """
    key = user.astype(np.int64) * shape[1] + video
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    largest = np.ones(len(starts))
    if values is not None and len(starts):
        largest = np.maximum.reduceat(values, starts)
    pointers = np.searchsorted(user[starts], np.arange(shape[0] + 1))
    return csr_array((largest, video[starts], pointers), shape=shape)


def taste_weights(acts: pd.DataFrame, age_days: NDArray[np.float64], half_life_days: float) -> NDArray[np.float64]:
    """How much each act says of its viewer's taste, in [0, 1]; it halves every half-life. Undated acts say nothing."""
    kind = acts["interaction_type"].map(TASTE).astype(np.float64).fillna(0.0).to_numpy()
    rating = acts["rating"].to_numpy(dtype=np.float64)
    said = np.where(np.isnan(rating), kind, np.clip(rating, 0.0, 5.0) / 5.0)
    return np.asarray(said * np.exp2(-age_days / half_life_days))


def viewer_vectors(profiles: NDArray[np.float64], taste: csr_array, videos: NDArray[np.float64]) -> NDArray[np.float64]:
    """Profile plus taste, shape (users, width): unit length, or zero where nothing is known.

    `profiles` are unit vectors of the users' own skills, `taste` the weights of what they watched, shape
    (users, videos), `videos` the videos' vectors. The mean of what was watched is itself weighted by how much there is:
    one stale view does not outweigh a profile.
    """
    total = np.asarray(taste.sum(axis=1)).reshape(-1, 1)
    return unit(profiles + (taste @ videos) / np.maximum(total, 1.0))
