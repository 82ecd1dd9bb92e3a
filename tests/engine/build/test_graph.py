"""Influence against networkx."""

import networkx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.build import graph

edges = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda pair: pair[0] != pair[1]), max_size=30)


@settings(deadline=None)
@given(edges)
def test_influence_is_pagerank_over_its_maximum(pairs: list[tuple[int, int]]) -> None:
    left, right = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    influence = graph.influence(graph.adjacency(12, left, right))
    if not pairs:
        assert not influence.any()
        return
    oracle = networkx.Graph(pairs)
    oracle.add_nodes_from(range(12))
    rank = networkx.pagerank(oracle, alpha=0.85, tol=1e-12, max_iter=1000)
    expected = np.array([rank[node] for node in range(12)])
    assert np.allclose(influence, expected / expected.max(), atol=1e-8)


@settings(deadline=None)
@given(edges)
def test_connections_go_both_ways_and_count_once(pairs: list[tuple[int, int]]) -> None:
    left, right = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    friends = graph.adjacency(12, left, right).toarray()
    assert np.array_equal(friends, friends.T) and set(np.unique(friends)) <= {0.0, 1.0}
    assert all(friends[a, b] == 1 for a, b in pairs)
