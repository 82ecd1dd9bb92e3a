"""Counter-based random numbers: each is a function of (seed, stream, counter) alone, whatever was drawn before.

That makes a feed reproducible from its seed and lets any draw be recomputed from the log alone.
"""

import numpy as np
from numpy.typing import NDArray

MASK = (1 << 64) - 1
STREAMS = {"turn": 1, "choice": 2, "explore": 3, "flow": 4, "feature_a": 5, "feature_b": 6, "tie": 7}


def bits(seed: int, stream: str, counter: int = 0) -> int:
    """64 random bits: two rounds of splitmix64 (Steele, Lea and Flood, OOPSLA 2014) over seed, stream and counter."""
    return _splitmix(_splitmix((seed ^ (STREAMS[stream] << 56)) & MASK) + counter)


def uniform(seed: int, stream: str, counter: int = 0) -> float:
    """A number in [0, 1).

    >>> uniform(1, "turn", 0) == uniform(1, "turn", 0) != uniform(1, "turn", 1)
    True
    """
    return (bits(seed, stream, counter) >> 11) * 2.0**-53


def uniforms(seed: int, stream: str, counter: int, count: int) -> NDArray[np.float64]:
    """`count` numbers in [0, 1), shape (count,), for one counter."""
    state = np.uint64(bits(seed, stream, counter)) + np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(((state ^ (state >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53)


def _splitmix(state: int) -> int:
    state = (state + 0x9E3779B97F4A7C15) & MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)
