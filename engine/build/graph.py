"""The social graph: who is connected to whom, and how much each person's connections make of them."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

DAMPING = 0.85
TOLERANCE = 1e-12
MOST_STEPS = 200


def adjacency(people: int, left: NDArray[np.integer], right: NDArray[np.integer]) -> csr_array:
    """The symmetric matrix of connections, shape (people, people): 1 where two are connected, sorted columns."""
    ones = np.ones(2 * len(left))
    matrix = csr_array((ones, (np.concatenate([left, right]), np.concatenate([right, left]))), shape=(people, people))
    matrix.sum_duplicates()
    matrix.sort_indices()
    matrix.data[:] = 1.0
    return matrix


def influence(friends: csr_array) -> NDArray[np.float64]:
    """PageRank over the largest PageRank, shape (people,), in [0, 1]; all zero where nobody is connected.

    Page, Brin, Motwani and Winograd, "The PageRank citation ranking" (1998), damping 0.85; people without connections
    spread their rank evenly.
    """
    people = friends.shape[0]
    if friends.nnz == 0:
        return np.zeros(people)
    degree = np.asarray(friends.sum(axis=1)).reshape(-1)
    share = np.divide(1.0, degree, out=np.zeros(people), where=degree > 0)
    rank = np.full(people, 1.0 / people)
    for _ in range(MOST_STEPS):
        loose = rank[degree == 0].sum()
        following = DAMPING * (friends @ (rank * share) + loose / people) + (1.0 - DAMPING) / people
        change = np.abs(following - rank).sum()
        rank = following
        if change < TOLERANCE:
            break
    return np.asarray(rank / rank.max())
