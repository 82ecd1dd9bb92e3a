"""Tables that one process computed serve every other as if it had computed them itself."""

import numpy as np
import pytest

from engine.bandit.policy import Policy
from engine.config import EngineConfig
from engine.engine import Engine
from engine.feed_types import FeedRequest
from engine.ready_tables import of_arrays, ready_tables, to_arrays
from tests.support.worlds import random_world, trained_policy


@pytest.mark.parametrize("videos", [0, 1, 300])
def test_an_engine_on_ready_tables_gives_the_same_feeds(videos: int) -> None:
    world, config = random_world(4, videos=videos), EngineConfig()
    policy = trained_policy(7, world) if videos else Policy.untrained((1.0,))
    arrays = to_arrays(ready_tables(world, policy, config))
    own = Engine(world, policy, config)
    taken = Engine(world, Policy(policy.version, {}, ()), config, tables=of_arrays(arrays, world.videos))
    for seed in range(20):
        request = FeedRequest(user_id=seed, seed=seed)
        assert own.render(own.feed(request)) == taken.render(taken.feed(request))


def test_arrays_of_another_world_are_refused_by_name() -> None:
    world = random_world(4)
    arrays = to_arrays(ready_tables(world, trained_policy(7, world), EngineConfig(au_similarity=30.0)))
    with pytest.raises(ValueError, match=r"AU\.bounds"):
        of_arrays(arrays, world.videos + 100)
    with pytest.raises(ValueError, match=r"VMP\.row: names a video beyond"):
        of_arrays({**arrays, "VMP.row": np.full_like(arrays["VMP.row"], world.videos)}, world.videos)
    with pytest.raises(ValueError, match=r"NU\.v"):
        of_arrays({name: array for name, array in arrays.items() if name != "NU.v"}, world.videos)
