"""Every number of the engine, with its default. Each is a setting: the field `vmp_alpha` is read from `VMP_ALPHA`.

The engine takes one frozen `EngineConfig`; `api.settings` is the only reader of the environment.
"""

from dataclasses import dataclass, field, fields
from typing import Any

POOL_NAMES = ("VMP", "AU", "NU", "FW", "EXPLORE")
"""The pools a pattern may name. Feeds, the kernel and waiting records know each by its place: new ones go last."""


def setting(default: Any, help_text: str, low: float | None = None, high: float | None = None) -> Any:
    """A dataclass field that carries its one-line help and its inclusive bounds for the settings reader."""
    return field(default=default, metadata={"help": help_text, "low": low, "high": high})


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """The engine's numbers. Bounds are checked on construction: `ValueError` names the field."""

    pattern: str = setting("VMP,AU,AU,VMP,NU,FW", "pools of consecutive slots, repeated")
    explore_rate: float = setting(0.05, "probability that a slot turns into EXPLORE", 0.0, 1.0)
    fresh_days: int = setting(45, "a video younger than this many days is new", 1, 3650)
    half_life_days: float = setting(30.0, "half-life of score_temporal in days", 0.1, 3650.0)
    top_candidates: int = setting(200, "VMP and NU draw from this many best candidates", 1, 2000)
    creator_window: int = setting(12, "no creator twice within this many consecutive items", 1, 96)

    ridge_lambda: float = setting(1.0, "ridge penalty of the regression", 1e-6, 1e6)
    item_effects: bool = setting(True, "item effects on top of the shared model; off is plain LinUCB")
    item_effect_deviation: float = setting(0.15, "prior deviation of item effects until it is estimated", 1e-3, 1.0)

    vmp_alpha: float = setting(1.5, "VMP: width of the confidence bonus", 0.0, 100.0)
    vmp_beta: float = setting(0.8, "VMP: weight of an item's own uncertainty", 0.0, 100.0)
    vmp_engagement: float = setting(2.2, "VMP: bonus for score_engagement", 0.0, 100.0)
    vmp_popularity: float = setting(1.6, "VMP: bonus for score_popularity", 0.0, 100.0)
    vmp_quality: float = setting(1.8, "VMP: bonus for score_quality", 0.0, 100.0)
    vmp_fresh: float = setting(1.4, "VMP: bonus for a new video", 0.0, 100.0)

    au_alpha: float = setting(1.8, "AU: width of the confidence bonus", 0.0, 100.0)
    au_beta: float = setting(1.0, "AU: weight of an item's own uncertainty", 0.0, 100.0)
    au_similarity: float = setting(2.8, "AU: bonus for skill_similarity", 0.0, 100.0)
    au_match: float = setting(2.5, "AU: bonus for extended_match", 0.0, 100.0)
    au_fresh: float = setting(0.9, "AU: bonus for a new video", 0.0, 100.0)

    nu_alpha: float = setting(2.5, "NU: width of the confidence bonus", 0.0, 100.0)
    nu_beta: float = setting(1.3, "NU: weight of an item's own uncertainty", 0.0, 100.0)
    nu_temporal: float = setting(2.5, "NU: bonus for score_temporal", 0.0, 100.0)
    nu_diversity: float = setting(1.8, "NU: bonus for skill_diversity", 0.0, 100.0)
    nu_rarity: float = setting(1.4, "NU: bonus for skill_rarity", 0.0, 100.0)
    nu_random: float = setting(0.6, "NU: bonus for random_exploration", 0.0, 100.0)

    fw_random: float = setting(40.0, "FW: width of the uniform draw", 1e-6, 1e6)
    fw_temporal: float = setting(60.0, "FW: bonus for freshness", 0.0, 1e6)

    embedding_width: int = setting(64, "width of skill embeddings", 1, 512)
    gate_rating: float = setting(3.0, "shrunk rating of 5 that passes the quality gate", 0.0, 5.0)
    gate_broken_reports: int = setting(1, "different viewers who report a video as broken to fail the gate", 1, 1000)
    rating_prior: float = setting(5.0, "ratings that the catalogue's mean weighs in the Bayesian mean", 0.0, 1e4)
    taste_half_life_days: float = setting(60.0, "half-life of a watched video in a viewer's embedding", 0.1, 3650.0)
    match_skills: float = setting(0.5, "extended_match: weight of skills", 0.0, 1.0)
    match_knowledge: float = setting(0.2, "extended_match: weight of knowledge", 0.0, 1.0)
    match_tools: float = setting(0.15, "extended_match: weight of tools", 0.0, 1.0)
    match_languages: float = setting(0.15, "extended_match: weight of languages", 0.0, 1.0)
    social_like: float = setting(0.25, "social_signal: added by each connected person's like", 0.0, 1.0)

    def __post_init__(self) -> None:
        for entry in fields(self):
            value, low, high = getattr(self, entry.name), entry.metadata["low"], entry.metadata["high"]
            if low is not None and not low <= value <= high:
                raise ValueError(f"{entry.name}: {value} is not within {low} to {high}")
        unknown = [name for name in pattern_of(self.pattern) if name not in POOL_NAMES]
        if unknown:
            raise ValueError(f"pattern: {unknown[0]!r} is not one of {', '.join(POOL_NAMES)}")


def pattern_of(text: str) -> tuple[str, ...]:
    """A pattern as its pools.

    >>> pattern_of("VMP, AU")
    ('VMP', 'AU')
    """
    return tuple(part.strip() for part in text.split(","))
