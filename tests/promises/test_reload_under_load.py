"""Feeds go on while the data are reloaded. `make reload-under-load` is the long run, with its times."""

import pytest

from benchmarks.promises import verdict
from benchmarks.reload_under_load import Round, Run, measured, promises
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


def test_the_long_run_fails_when_a_promise_is_broken_and_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    kept = Run(1, Load(10, answers=answers("a", 10.0) + answers("b", 20.0)), [Round(13.0, 13.5, 15.0, "a")])
    kept.rounds.append(Round(19.0, 19.5, 20.0, "b"))
    assert verdict(promises(kept)) == 0
    assert "5 of 5 promises kept" in capsys.readouterr().err
    refused = Answer(17.0, 0.01, 503, error="no")
    mixed = Answer(18.0, 0.01, 200, "a", frozenset({"a", "b"}), 24)
    late = Answer(22.0, 0.01, 200, "a", frozenset({"a"}), 24)
    slow = Answer(14.0, 0.5, 200, "a", frozenset({"a"}), 24)
    broken = Run(2, Load(10, answers=[*kept.load.answers, refused, mixed, late, slow]), list(kept.rounds))
    broken.rounds.append(Round(27.0, 27.5, 30.0, "b"))
    assert verdict(promises(broken)) == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[2] for line in told[:-1]] == [
        "failed",
        "answers of more than one snapshot",
        "answers of an old snapshot 2 s after the pointer",
        "slowest switch after the pointer",
        "p99 while building",
    ]
    assert all(line.startswith("broken: 2 workers: ") for line in told[:-1])


def answers(snapshot: str, begin: float) -> list[Answer]:
    """Ten seconds of good answers, one every 0.1 s."""
    return [Answer(begin + n / 10, 0.01, 200, snapshot, frozenset({snapshot}), 24) for n in range(100)]
