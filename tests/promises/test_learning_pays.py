"""Three simulated days of learning pay: more than the untrained engine, than popularity and item means, near an oracle.

The town and its tastes are in `tests/support/town.py`, the rules of the contest in `tests/support/contest.py`. Rewards
lie in [0, 1], and most videos earn 0.05 to 0.5 of it; the pools' fixed bonuses (up to 2.8 for one feature) are large
against that. So there are two contests, and docs/learning.md tells their figures: one with the numbers as they come,
where even an oracle earns only a tenth or a fifth more than nobody, and one with the bonuses at 0, where the bandits
alone decide.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from engine.bandit.policy import LEARNING_POOLS
from engine.config import EngineConfig
from tests.support.contest import Contestant, ItemMean, MostPopular, Oracle, Trained, play
from tests.support.town import Town

BONUSES = (
    "vmp_engagement", "vmp_popularity", "vmp_quality", "vmp_fresh", "au_similarity", "au_match", "au_fresh",
    "nu_temporal", "nu_diversity", "nu_rarity", "nu_random",
)  # fmt: skip
Results = Mapping[str, Mapping[str, float]]


@pytest.fixture(scope="module")
def contest(tmp_path_factory: pytest.TempPathFactory) -> Callable[[EngineConfig], Results]:
    """Lets all policies play with the same numbers of the engine."""
    folder = tmp_path_factory.mktemp("town")
    logging.getLogger("data").setLevel(logging.ERROR)
    town = Town(folder)

    def results(config: EngineConfig) -> Results:
        contestants = {
            "untrained": Contestant(town, config),
            "trained": Trained(town, config, tmp_path_factory.mktemp("trained")),
            "item mean": ItemMean(town, config),
            "most popular": MostPopular(town, config),
            "oracle": Oracle(town, config),
        }
        return {name: play(town, contestant) for name, contestant in contestants.items()}

    return results


@pytest.mark.timeout(300)
def test_with_the_bonuses_as_they_come_learning_pays_in_every_pool(contest: Callable[[EngineConfig], Results]) -> None:
    found = contest(EngineConfig())
    trained, margins = found["trained"], {"VMP": 1.08, "AU": 1.04, "NU": 1.03}
    for pool in LEARNING_POOLS:
        assert trained[pool] > margins[pool] * found["untrained"][pool], pool
        assert trained[pool] >= 0.80 * found["oracle"][pool], pool
        for baseline in ("item mean", "most popular"):
            assert trained[pool] > found[baseline][pool], (pool, baseline)
    for baseline in ("item mean", "most popular"):
        assert trained["feed"] > 1.01 * found[baseline]["feed"], baseline


@pytest.mark.timeout(300)
def test_without_the_bonuses_the_bandits_alone_earn_more_than_half_as_much_again(
    contest: Callable[[EngineConfig], Results],
) -> None:
    found = contest(replace(EngineConfig(), **dict.fromkeys(BONUSES, 0.0)))
    trained, margins = found["trained"], {"VMP": 1.6, "AU": 1.7, "NU": 1.5}
    for pool in LEARNING_POOLS:
        assert trained[pool] > margins[pool] * found["untrained"][pool], pool
        assert trained[pool] > found["item mean"][pool], pool
        assert trained[pool] > 1.05 * found["most popular"][pool], pool
    assert trained["feed"] > 1.05 * found["item mean"]["feed"]
    assert trained["feed"] >= 0.80 * found["oracle"]["feed"]
