"""Every acknowledged event ends up in `activity_log` exactly once, whatever dies, freezes or slows down meanwhile, and
the bandits know exactly what the logs say.
"""

import os
import secrets
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.nemesis import Nemesis, cluster
from tests.support.writers import Writers
from tests.tracking.logs import difference, folded, state_in
from tracking.mysql_sink import MySQLSink
from tracking.redis_buffer import LEASE_SECONDS

SECONDS = 60.0
PATIENCE = 2 * LEASE_SECONDS  # a batch that was claimed as Redis broke is free only after its lease


@pytest.mark.timeout(300)
def test_under_faults_the_log_holds_what_was_acknowledged_and_each_once(tmp_path: Path) -> None:
    seed = int(os.environ.get("NEMESIS_SEED") or secrets.randbelow(10**6))
    sys.stdout.write(f"NEMESIS_SEED={seed}\n")
    with cluster(tmp_path) as target:
        nemesis, writers = Nemesis(target, seed), Writers(target.service.url, seed)
        writers.start()
        try:
            nemesis.run(SECONDS)
        finally:
            writers.stop()
        story = f"NEMESIS_SEED={seed} {dict(writers.answers)} {dict(writers.feeds)} {nemesis.history}"
        limit = time.monotonic() + PATIENCE
        policies = target.service.data_dir / "policies"
        while state_in(policies).acts < len(writers.acknowledged) and time.monotonic() < limit:
            time.sleep(0.5)
        assert target.service.stop() == 0
        stored, lived = Counter(target.stored()), state_in(policies)
        with closing(MySQLSink(target.database.connect)) as sink:
            learnt_twice_or_never = difference(lived, folded(sink))
    assert writers.acknowledged - set(stored) == set(), story
    assert set(stored) - writers.acknowledged == set(), story
    assert [event for event, times in stored.items() if times > 1] == [], story
    assert len(stored) > 1000, story
    assert {"redis", "local"} <= set(writers.answers), story
    assert set(writers.feeds) <= {200, 0}, story
    assert (lived.acts, learnt_twice_or_never < 1e-9) == (len(stored), True), story
    assert lived.updates, story
