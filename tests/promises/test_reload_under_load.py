"""Feeds go on while the data are reloaded. `python -m benchmarks reload_under_load` is the long run, with its times."""

import pytest

from benchmarks.reload_under_load import Run, measured
from tests.support.load import Answer, Load


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_no_request_fails_or_mixes_snapshots_while_reloads_run(workers: int) -> None:
    run = measured(workers, seconds=8.0, reloads=2, rate=50.0)
    assert len(run.load.answers) > 100
    assert run.load.failed() == []
    assert run.mixed() == []
    served = {answer.snapshot_id for answer in run.load.answers}
    assert served >= {one.snapshot_id for one in run.rounds}
    assert len(served) == 3
    assert max(run.load.answers, key=lambda answer: answer.at).snapshot_id == run.rounds[-1].snapshot_id


def test_an_answer_that_mixes_snapshots_would_be_seen() -> None:
    """The check itself: one item from elsewhere is enough."""
    whole = Answer(1.0, 0.01, 200, "a", frozenset({"generation 1"}), 24)
    mixed = Answer(2.0, 0.01, 200, "a", frozenset({"generation 1", "generation 2"}), 24)
    assert Run(1, Load(0, answers=[whole, mixed])).mixed() == [mixed]
