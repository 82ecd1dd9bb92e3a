"""Every rule, in one place: the order of this list is the order of the flag bits."""

from dataclasses import dataclass
from functools import lru_cache

from engine.kernel.base import EVERY_FLAG, Refused
from engine.rules.base import Asked, Rule
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


def refusals(asked: Asked) -> list[Refused]:
    """All that the rules refuse before the first slot."""
    refused = []
    for rule, flag in zip(RULES, FLAGS.values(), strict=True):
        videos, flows, video_rows, flow_rows = rule.refuse(asked)
        if videos:
            refused.append(Refused(False, flag, None, videos))
        if flows:
            refused.append(Refused(True, flag, None, flows))
        if len(video_rows):
            refused.append(Refused(False, flag, video_rows))
        if len(flow_rows):
            refused.append(Refused(True, flag, flow_rows))
    return refused


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
