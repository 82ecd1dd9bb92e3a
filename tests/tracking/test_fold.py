"""Learning is a fold over the logs: crashes, parts, resets and imports leave what a rebuild would give."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bandit.linucb import solve
from engine.bandit.policy import LEARNING_POOLS
from engine.bandit.statistics import Statistics
from engine.features import scaled
from tests.support.servers import Database
from tests.tracking.logs import difference, folded, log_rows, state_in, store
from tests.tracking.worlds import decision, event
from tracking.attribution import outcome, teaches
from tracking.decisions import Decision
from tracking.events import Event
from tracking.fold import Part, skip, step
from tracking.learner import Learner, LearnerError
from tracking.mysql_sink import MySQLSink
from tracking.policies import PolicyError, PolicyStore
from tracking.rewards import KINDS
from tracking.segments import sync_folder
from tracking.sqlite_sink import SqliteSink
from tracking.state import State, merged


class CrashError(Exception):
    """The process died here."""


@contextmanager
def dies_at(monkeypatch: pytest.MonkeyPatch, number: int) -> Iterator[list[int]]:
    """The process dies at the `number`-th read of the logs, write, sync or rename; the list counts them."""
    count = [0]

    def deadly(work: Callable[..., Any]) -> Callable[..., Any]:
        def done(*arguments: Any, **named: Any) -> Any:
            count[0] += 1
            if count[0] == number:
                raise CrashError
            return work(*arguments, **named)

        return done

    with monkeypatch.context() as patched:
        for name in ("activities_after", "feeds_after", "activities_of", "decisions_of"):
            patched.setattr(SqliteSink, name, deadly(getattr(SqliteSink, name)))
        for name in ("replace", "unlink"):
            patched.setattr(Path, name, deadly(getattr(Path, name)))
        patched.setattr("os.fsync", deadly(os.fsync))
        patched.setattr("tracking.policies.sync_folder", deadly(sync_folder))
        yield count


def test_killed_between_any_two_steps_the_next_learner_ends_where_a_rebuild_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, begun = SqliteSink(tmp_path / "activity.sqlite"), tmp_path / "begun"
    rows = log_rows(1, feeds=6)
    store(sink, *rows[: len(rows) // 2])
    Learner(sink, begun, step=4).learn()
    store(sink, *rows[len(rows) // 2 :])
    crashes = 0
    for number in range(1, 400):
        folder = tmp_path / f"policies{number}"
        shutil.copytree(begun, folder)
        with dies_at(monkeypatch, number) as count:
            try:
                Learner(sink, folder, step=4).learn()
            except CrashError:
                crashes += 1
        Learner(sink, folder, step=3).learn()
        assert difference(state_in(folder), folded(sink)) < 1e-9, number
        if count[0] < number:
            break
    assert crashes == number - 1 > 30


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(1, 30), st.sampled_from([0.0, 10.0]))
def test_merged_deltas_of_several_learners_equal_one_learner(
    tmp_path_factory: pytest.TempPathFactory, seed: int, of: int, limit: int, days: float
) -> None:
    sink = SqliteSink(tmp_path_factory.mktemp("merge") / "activity.sqlite")
    rows, paces = log_rows(seed), dict.fromkeys(LEARNING_POOLS, days)
    store(sink, *rows[: seed % len(rows)])
    base, one = folded(sink, State.empty(paces)), folded(sink, State.empty(paces))
    store(sink, *rows[seed % len(rows) :])
    deltas = [folded(sink, base.delta(), limit, Part(index, of)) for index in range(of)]
    assert difference(merged(base, deltas), folded(sink, one)) < 1e-9


def test_deltas_that_end_at_different_rows_are_not_merged(tmp_path: Path) -> None:
    sink = SqliteSink(tmp_path / "activity.sqlite")
    store(sink, *log_rows(3))
    whole, begun = State(), State()
    folded(sink, whole)
    step(sink, begun, 2)
    with pytest.raises(ValueError, match="different rows"):
        merged(State(), [whole, begun])


@pytest.mark.parametrize("weights", [(0.2, 0.2, 0.2, 0.2, 0.2), (0.0, 1.0, 0.0, 0.0, 0.0), (0.7, 0.0, 0.1, 0.1, 0.1)])
def test_other_weights_need_no_learning_again(tmp_path: Path, weights: tuple[float, ...]) -> None:
    sink, rows = SqliteSink(tmp_path / "activity.sqlite"), log_rows(4, feeds=40)
    store(sink, *rows)
    policy = folded(sink).policy("tried", weights)
    for pool in LEARNING_POOLS:
        alone = Statistics.empty(1)  # learns the one number that these weights make of the kinds
        for made in (row for row in rows if isinstance(row, Decision)):
            acts = [row for row in rows if isinstance(row, Event) and row.feed_id == made.feed_id]
            for index, kinds in enumerate(outcome(made, acts).values):
                if teaches(made.shown[index]) == pool:
                    x = scaled(made.features[index : index + 1])
                    alone.observe(x, np.array([[kinds @ np.array(weights)]]), np.array([made.shown[index].id]))
        options = {"ridge": 1.0, "item_effects": True, "prior_deviation": 0.15}
        tried = solve(policy.statistics[pool], np.array(weights), **options)
        taught = solve(alone, np.ones(1), **options)
        assert alone.count > 20
        assert np.allclose(tried.theta, taught.theta, atol=1e-9)
        assert tried.noise == pytest.approx(taught.noise)
        assert np.allclose(tried.item_mean, taught.item_mean, atol=1e-9)


def test_another_table_of_weights_is_live_at_the_next_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink, folder = SqliteSink(tmp_path / "activity.sqlite"), tmp_path / "policies"
    store(sink, *log_rows(4))
    version, before = Learner(sink, folder).learn().version, state_in(folder)
    monkeypatch.setattr("tracking.state.WEIGHTS", (0.2,) * len(KINDS))
    assert Learner(sink, folder).learn().version not in (version, "untrained")
    assert PolicyStore(folder).current_version() == state_in(folder).version
    assert difference(state_in(folder), before) == 0.0


def test_rows_from_before_a_reset_never_teach_again_but_by_a_rebuild(tmp_path: Path) -> None:
    sink, folder = SqliteSink(tmp_path / "activity.sqlite"), tmp_path / "policies"
    store(sink, decision("f1", "VMP:1", "AU:2"), event(1, video_id=2, feed_id="f1"))
    learner, other = Learner(sink, folder), Learner(sink, folder)
    learner.learn()
    assert Learner(sink, folder).reset().version == "untrained"
    store(sink, event(2, "like", video_id=2, feed_id="f1"))
    learner.learn()
    other.learn()
    assert PolicyStore(folder).load_current().version == "untrained"
    store(sink, decision("f2", "AU:2"), event(3, video_id=2, feed_id="f2"))
    learner.learn()
    assert {pool: s.count for pool, s in state_in(folder).statistics.items()} == {"VMP": 0.0, "AU": 1.0, "NU": 0.0}
    Learner(sink, folder).rebuild()
    learner.learn()
    assert difference(state_in(folder), folded(sink)) < 1e-9
    assert learner.state.statistics["AU"].count == 2.0


def test_a_crash_after_a_reset_does_not_bring_back_what_was_forgotten(tmp_path: Path) -> None:
    sink, folder = SqliteSink(tmp_path / "activity.sqlite"), tmp_path / "policies"
    store(sink, *log_rows(5))
    Learner(sink, folder).learn()
    Learner(sink, folder).reset()
    begun = state_in(folder)
    store(sink, decision("late", "AU:2", user_id=7), event(900, video_id=2, feed_id="late"))
    version = Learner(sink, folder).learn().version
    (folder / f"{version}.npz").write_bytes(b"PK damaged")
    Learner(sink, folder).learn()
    assert difference(state_in(folder), folded(sink, begun)) < 1e-9
    assert state_in(folder).updates == 1


def test_while_frozen_nothing_is_learnt_and_afterwards_all_of_it(tmp_path: Path) -> None:
    sink, folder = SqliteSink(tmp_path / "activity.sqlite"), tmp_path / "policies"
    learner, policies = Learner(sink, folder), PolicyStore(folder)
    policies.freeze(True)
    store(sink, *log_rows(6))
    assert learner.learn().frozen
    assert policies.load_current().version == "untrained"
    policies.freeze(False)
    learner.learn()
    assert difference(state_in(folder), folded(sink)) < 1e-9


def test_an_export_from_these_logs_goes_on_where_it_ended(tmp_path: Path) -> None:
    sink, folder = SqliteSink(tmp_path / "activity.sqlite"), tmp_path / "policies"
    rows = log_rows(7)
    store(sink, *rows[:30])
    Learner(sink, folder).learn()
    exported = state_in(folder)
    Learner(sink, folder).reset()
    store(sink, *rows[30:])
    Learner(sink, folder).adopt(exported)
    Learner(sink, folder).learn()
    assert difference(state_in(folder), folded(sink)) < 1e-9


def test_an_import_from_other_logs_is_a_beginning_that_these_logs_add_to(tmp_path: Path) -> None:
    here, there = SqliteSink(tmp_path / "here.sqlite"), SqliteSink(tmp_path / "there.sqlite")
    store(there, *log_rows(8))
    store(here, decision("f1", "AU:2"), event(1, video_id=2, feed_id="f1"))
    imported = folded(there)
    updates = imported.updates
    learner = Learner(here, tmp_path / "policies")
    learner.adopt(imported)
    learner.learn()
    assert state_in(tmp_path / "policies").updates == updates
    store(here, decision("f2", "AU:2"), event(2, video_id=2, feed_id="f2"))
    learner.learn()
    assert state_in(tmp_path / "policies").updates == updates + 1


def test_an_import_whose_last_feed_is_not_here_is_taken_for_one_from_other_logs(tmp_path: Path) -> None:
    sink, folder = SqliteSink(tmp_path / "activity.sqlite"), tmp_path / "policies"
    store(sink, *log_rows(7))
    imported = folded(sink)
    updates, last = imported.updates, imported.feed_id
    sink._run(lambda cursor: cursor.execute("DELETE FROM feed_log WHERE feed_id = ?", (last,)))
    store(sink, decision("next", "AU:2"), event(900, video_id=2, feed_id="next"))
    Learner(sink, folder).adopt(imported)
    Learner(sink, folder).learn()
    assert state_in(folder).updates == updates


def test_both_databases_teach_the_same(tmp_path: Path, database: Database) -> None:
    rows, sinks = log_rows(13), (SqliteSink(tmp_path / "activity.sqlite"), MySQLSink(database.connect))
    for sink in sinks:
        sink.create_tables()
        store(sink, *rows)
    one, other = (folded(sink, State.empty({"AU": 10.0}), 7) for sink in sinks)
    assert one.updates > 20
    assert difference(one, other) < 1e-9


def test_other_logs_under_the_same_policies_are_told_and_nothing_is_learnt_twice(tmp_path: Path) -> None:
    first, second = SqliteSink(tmp_path / "first.sqlite"), SqliteSink(tmp_path / "second.sqlite")
    store(first, *log_rows(9))
    Learner(first, tmp_path / "policies").learn()
    store(second, decision("g1", "AU:2"), event(1, video_id=2, feed_id="g1"))
    with pytest.raises(LearnerError, match=r"not the logs .* learner rebuild"):
        Learner(second, tmp_path / "policies").learn()
    Learner(second, tmp_path / "policies").rebuild()
    assert Learner(second, tmp_path / "policies").learn().unattributed == 0
    assert difference(state_in(tmp_path / "policies"), folded(second)) < 1e-9


def test_rows_that_were_learnt_may_be_deleted(tmp_path: Path) -> None:
    sink = SqliteSink(tmp_path / "activity.sqlite")
    store(sink, *log_rows(10))
    learner = Learner(sink, tmp_path / "policies")
    updates = learner.learn() and learner.state.updates
    for table in ("activity_log", "feed_log"):
        sink._run(lambda cursor, table=table: cursor.execute(f"DELETE FROM {table}"))
    learner.learn()
    store(sink, decision("new", "AU:2"), event(901, video_id=2, feed_id="new"))
    learner.learn()
    assert state_in(tmp_path / "policies").updates == updates + 1


def test_a_learner_that_another_one_keeps_waiting_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracking.policies.LOCK_SECONDS", 0.05)
    sink = SqliteSink(tmp_path / "activity.sqlite")
    with PolicyStore(tmp_path / "policies").alone(), pytest.raises(PolicyError, match="another process"):
        Learner(sink, tmp_path / "policies").learn()


def test_skipping_reads_to_the_end_in_small_steps(tmp_path: Path) -> None:
    sink = SqliteSink(tmp_path / "activity.sqlite")
    store(sink, *log_rows(11))
    skipped, whole = State(), folded(sink)
    skip(sink, skipped, 3)
    assert (skipped.activity_row, skipped.feed_row) == (whole.activity_row, whole.feed_row)
    assert (skipped.activity_id, skipped.feed_id) == (whole.activity_id, whole.feed_id)
    assert step(sink, skipped, 10) is None


def test_the_sums_of_kinds_are_as_many_as_the_kinds(tmp_path: Path) -> None:
    sink = SqliteSink(tmp_path / "activity.sqlite")
    store(sink, *log_rows(12))
    for sums in folded(sink).statistics.values():
        assert sums.moment.shape == (len(KINDS), 18)
        assert sums.item_reward.shape[1] == len(KINDS)
