"""Skill embeddings: skills that stand beside each other in videos and profiles point the same way.

Positive pointwise mutual information of co-occurrence, factorised: Levy and Goldberg, "Neural word embedding as
implicit matrix factorization" (2014). The discount for rare pairs: Pantel and Lin, "Discovering word senses from text"
(2002).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import eigsh

NEGLIGIBLE = 1e-9  # a shorter sum of vectors points nowhere
DENSE_LIMIT = 1000  # up to here a dense eigendecomposition takes well under a second


def document_frequency(videos: csr_array) -> NDArray[np.float64]:
    """The number of videos that state each skill, shape (skills,)."""
    return np.asarray(videos.sum(axis=0), dtype=np.float64).reshape(-1)


def inverse_document_frequency(videos: csr_array) -> NDArray[np.float64]:
    """How telling each skill is, shape (skills,): `1 + ln((1 + videos) / (1 + videos with it))`, at least 1."""
    return 1.0 + np.log((1.0 + videos.shape[0]) / (1.0 + document_frequency(videos)))


def co_occurrence(documents: Sequence[csr_array]) -> csr_array:
    """How often two skills stand in one list, shape (skills, skills), zero diagonal.

    Every list shares out its skills' mentions (a pair in a list of n counts `1 / (n - 1)`), so that a list of a hundred
    skills does not outweigh fifty ordinary ones.
    """
    width = documents[0].shape[1]
    total = csr_array((width, width), dtype=np.float64)
    for incidence in documents:
        lengths = np.asarray(incidence.sum(axis=1)).reshape(-1)
        shares = 1.0 / np.maximum(lengths - 1.0, 1.0)
        total = total + incidence.T @ diags_array(shares) @ incidence
    total = csr_array(total - diags_array(total.diagonal()))
    total.eliminate_zeros()
    return total


def mutual_information(counts: csr_array) -> csr_array:
    """Positive pointwise mutual information of co-occurrence counts, discounted where the counts are small."""
    marginal = np.asarray(counts.sum(axis=0)).reshape(-1)
    pairs = counts.tocoo()
    rows, columns = pairs.coords
    smaller = np.minimum(marginal[rows], marginal[columns])
    information = np.log(pairs.data * marginal.sum() / (marginal[rows] * marginal[columns]))
    discount = pairs.data / (pairs.data + 1.0) * smaller / (smaller + 1.0)
    positive = csr_array((np.maximum(information, 0.0) * discount, (rows, columns)), shape=counts.shape)
    positive.eliminate_zeros()
    return positive


def skill_vectors(documents: Sequence[csr_array], width: int) -> NDArray[np.float64]:
    """Unit vectors of skills, shape (skills, min(width, skills)); zero where the kept directions say nothing.

    A skill is as near to itself as to its nearest neighbour: that is the diagonal. The matrix is symmetric, so that its
    leading positive eigenvectors are its truncated singular vectors. Signs are fixed by the largest component.
    """
    skills = documents[0].shape[1]
    if skills == 0:
        return np.zeros((0, 0))
    information = mutual_information(co_occurrence(documents))
    own = float(information.max()) if information.nnz else 1.0
    values, vectors = _leading(csr_array(information + own * diags_array(np.ones(skills))), min(width, skills))
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
    return unit(vectors * np.sqrt(np.maximum(values, 0.0)))


def bag_vectors(
    incidence: csr_array, weights: NDArray[np.float64], vectors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The weighted mean direction of each row's skills, shape (rows, width): unit length, or zero without skills."""
    return unit(np.asarray(incidence @ (vectors * weights[:, None])))


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows scaled to length 1; rows that are (nearly) zero become zero.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]  # no copy of all, as np.linalg.norm makes
    return np.asarray(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > NEGLIGIBLE))


def _leading(matrix: csr_array, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The `width` largest eigenvalues and their eigenvectors, largest first."""
    size = matrix.shape[0]
    if size <= DENSE_LIMIT or width >= size - 1:
        values, vectors = eigh(matrix.toarray(), subset_by_index=(size - width, size - 1))
    else:
        values, vectors = eigsh(matrix, k=width, which="LA", v0=np.ones(size))
    order = np.argsort(-values, kind="stable")
    return values[order], vectors[:, order]
