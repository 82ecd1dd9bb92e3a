"""Every rule, in one place: the order of this list is the order of the flag bits."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from engine.kernel.base import EVERY_FLAG
from engine.rules.base import Asked, Rows, Rule
from engine.rules.creator_window import CreatorWindow, widths
from engine.rules.excluded import Excluded
from engine.rules.hidden import Hidden
from engine.rules.no_repeat import NoRepeat
from engine.rules.own import Own
from engine.rules.served import Served
from engine.rules.watched import Watched

RULES: tuple[Rule, ...] = (Excluded(), Own(), Hidden(), Served(), NoRepeat(), Watched())
FLAGS: dict[str, int] = {rule.name: 1 << bit for bit, rule in enumerate(RULES)}
RULE_NAMES: tuple[str, ...] = (*FLAGS, CreatorWindow.name)


class Refused(NamedTuple):
    """Rows of videos or flows that a rule refuses, and its flag."""

    kind: str
    flag: int
    rows: Rows


def refused(asked: Asked) -> Iterator[Refused]:
    """All that the rules refuse before the first slot."""
    world = asked.world
    for rule, flag in zip(RULES, FLAGS.values(), strict=True):
        if rule.named:
            yield Refused("video", flag, world.video_rows(asked.ids(rule.named, "video")))
            yield Refused("flow", flag, world.flow_rows(asked.ids(rule.named, "flow")))
        for listed in rule.listed(world):
            yield Refused(listed.kind, flag, listed.found(asked))


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the relaxation ladder: which flags refuse, how wide the creator window is."""

    mask: int
    window: int


@lru_cache
def ladder(window: int) -> tuple[Rung, ...]:
    """From all rules in force to the fewest: watched videos return, then the creator window shrinks.

    Borrowing from another pool comes before each next rung; a shorter feed comes after the last.

    >>> [rung.window for rung in ladder(12)]
    [12, 12, 6, 3, 1]
    """
    lifted = EVERY_FLAG & ~sum(FLAGS[rule.name] for rule in RULES if rule.relaxes)
    return (Rung(EVERY_FLAG, window), *(Rung(lifted, width) for width in widths(window)))
