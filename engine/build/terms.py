"""Inverted lists for `extended_match`: from each thing a viewer may state to the videos that state it too."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from engine.build.names import Vocabulary, vocabulary
from engine.config import EngineConfig

KINDS: tuple[str, ...] = ("skills", "knowledge", "tools", "languages")
VIDEO_COLUMN = {
    "skills": "video_skills",
    "knowledge": "video_knowledges",
    "tools": "video_tools",
    "languages": "video_languages",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms that at least one video states, by kind and then by folded name.

    `weight` has shape (videos, terms): what a viewer who has the term scores on the video. `stated` has shape
    (users, terms): 1 where a profile has the term.
    """

    names: tuple[str, ...]
    kinds: NDArray[np.uint8]
    weight: csr_array
    stated: csr_array


def kind_vocabularies(videos: pd.DataFrame, users: pd.DataFrame) -> dict[str, Vocabulary]:
    """One vocabulary a kind; `incidence[0]` is over the videos, `incidence[1]` over the users."""
    return {kind: vocabulary(videos[VIDEO_COLUMN[kind]], users[kind]) for kind in KINDS}


def terms(vocabularies: dict[str, Vocabulary], config: EngineConfig) -> Terms:
    """The weighted share of what a video states that a viewer has, cut into one weight a term.

    The terms of a kind share its weight equally; the weights of the kinds that the video states are scaled to sum to 1.
    So a viewer who has all that a video states scores 1, and a kind it does not state counts neither way.
    """
    kind_weights = {kind: float(getattr(config, f"match_{kind}")) for kind in KINDS}
    stated = {kind: _lengths(known.incidence[0]) for kind, known in vocabularies.items()}
    total = sum(np.where(stated[kind] > 0, kind_weights[kind], 0.0) for kind in KINDS)
    names: list[str] = []
    kinds, weights, profiles = [], [], []
    for number, kind in enumerate(KINDS):
        known = vocabularies[kind]
        used = np.flatnonzero(known.incidence[0].sum(axis=0))
        divisor = total * stated[kind]
        share = np.divide(kind_weights[kind], divisor, out=np.zeros_like(divisor), where=divisor > 0)
        weights.append(known.incidence[0][:, used] * share[:, None])
        profiles.append(known.incidence[1][:, used])
        names.extend(known.names[index] for index in used)
        kinds.append(np.full(len(used), number, dtype=np.uint8))
    return Terms(tuple(names), np.concatenate(kinds), csr_array(hstack(weights)), csr_array(hstack(profiles)))


def _lengths(incidence: csr_array) -> NDArray[np.float64]:
    return np.asarray(incidence.sum(axis=1), dtype=np.float64).reshape(-1)
