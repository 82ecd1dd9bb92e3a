from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bandit.policy import LEARNING_POOLS
from engine.features import scaled
from tests.tracking.worlds import decision, event
from tracking.attribution import Lessons, outcome
from tracking.decisions import Decision
from tracking.events import Event
from tracking.learner import Learner
from tracking.policies import PolicyStore
from tracking.rewards import KINDS, WEIGHTS
from tracking.sqlite_sink import SqliteSink
from tracking.state import State, bandits
from tracking.state_file import StateFileError, load

FEED = decision("f1", "VMP:1", "AU:2", "EXPLORE/NU:3", "FW:flow4", "NU:5")
WATCH, LIKE = KINDS.index("watch"), KINDS.index("like")


def learnt(folder: Path, *rows: Event | Decision, step: int = 5000) -> State:
    """The state after these rows were stored one by one and then learnt."""
    sink = SqliteSink(folder / "activity.sqlite")
    for row in rows:
        store(sink, row)
    learner = Learner(sink, folder / "policies", step=step)
    learner.learn()
    return learner.state


def store(sink: SqliteSink, row: Event | Decision) -> None:
    if isinstance(row, Event):
        sink.write_activities([row])
    else:
        sink.write_decisions([row])


def close(one: State, other: State) -> bool:
    """Equal sums to 1e-9, and the same counts."""
    for pool in LEARNING_POOLS:
        mine, theirs = one.statistics[pool].to_arrays(), other.statistics[pool].to_arrays()
        if any(mine[n].shape != theirs[n].shape or not np.allclose(mine[n], theirs[n], atol=1e-9) for n in mine):
            return False
    return (one.acts, one.attributed) == (other.acts, other.attributed)


def test_positions_up_to_the_deepest_act_were_examined() -> None:
    found = outcome(FEED, [event(1, video_id=3, watch_seconds=10, duration_seconds=10)])
    assert found.values.shape == (3, len(KINDS))
    assert found.values[:, WATCH].tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("kind", ["skip", "hide", "like"])
def test_any_act_examines(kind: str) -> None:
    assert len(outcome(FEED, [event(1, kind, video_id=5)]).values) == 5


@pytest.mark.parametrize(
    "stray",
    [
        event(1, video_id=99),
        event(1, user_id=8, video_id=3),
        event(1, "feed_request", video_id=None),
        event(1, flow_id=3),
    ],
    ids=["an item not shown", "another viewer", "a feed request", "a flow not shown"],
)
def test_what_does_not_belong_to_the_feed_teaches_nothing(stray: Event) -> None:
    assert outcome(FEED, [stray]).acts == len(outcome(FEED, [stray]).values) == 0


@pytest.mark.parametrize(("video", "pool"), [(1, "VMP"), (2, "AU"), (3, "NU"), (5, "NU")])
def test_a_view_lands_in_the_bandit_of_the_pool_that_showed_it(tmp_path: Path, video: int, pool: str) -> None:
    state = learnt(tmp_path, FEED, event(1, video_id=video, feed_id="f1", watch_seconds=9, duration_seconds=9))
    rewarded = {name for name, sums in state.statistics.items() if sums.square.any()}
    assert rewarded == {pool}
    place = [shown.id for shown in FEED.shown].index(video)
    assert np.allclose(state.statistics[pool].moment[WATCH], scaled(FEED.features)[place])
    assert state.statistics[pool].item_reward[list(state.statistics[pool].item_id).index(video), WATCH] == 1.0


def test_flows_teach_nobody(tmp_path: Path) -> None:
    alone = decision("f1", "FW:flow4", "EXPLORE/FW:flow5")
    state = learnt(tmp_path, alone, event(1, flow_id=5, feed_id="f1"))
    assert state.version == "untrained"
    assert (state.acts, state.attributed) == (1, 1)


def test_a_later_act_adds_its_difference_and_no_second_design(tmp_path: Path) -> None:
    rows = [FEED, event(1, video_id=2, feed_id="f1"), event(2, "like", video_id=2, feed_id="f1")]
    once = learnt(tmp_path / "a", *rows)
    sink = SqliteSink(tmp_path / "b" / "activity.sqlite")
    learner = Learner(sink, tmp_path / "b" / "policies")
    for row in rows:
        store(sink, row)
        learner.learn()
    assert close(once, learner.state)
    assert once.statistics["AU"].count == 1.0
    assert np.allclose(once.statistics["AU"].moment[LIKE], scaled(FEED.features)[1])


def test_acts_without_a_known_feed_are_counted(tmp_path: Path) -> None:
    rows = [FEED, event(1), event(2, feed_id="absent"), event(3, video_id=99, feed_id="f1"), event(4, feed_id="f1")]
    state = learnt(tmp_path, *rows)
    assert (state.acts, state.unattributed) == (4, 3)


FEEDS = [FEED, decision("f2", "AU:2", "VMP:6", "AU:7", seed=2), decision("f3", "NU:8", "EXPLORE/AU:1", seed=3)]
numbered_acts = st.lists(
    st.tuples(
        st.sampled_from(["video_view", "like", "rating", "share", "skip", "hide", "connection"]),
        st.integers(1, 9),
        st.sampled_from(["f1", "f2", "f3", None]),
        st.floats(1, 5),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(numbered_acts, st.randoms(use_true_random=False), st.integers(1, 4), st.integers(1, 3))
def test_any_order_and_batching_gives_the_same_state(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple], chance: st.DataObject, size: int, step: int
) -> None:
    acts = [
        event(number, kind, video_id=video, feed_id=feed_id, rating=stars, watch_seconds=stars, duration_seconds=5.0)
        for number, (kind, video, feed_id, stars) in enumerate(drawn)
    ]
    rows: list[Event | Decision] = [*FEEDS, *acts]
    straight = learnt(tmp_path_factory.mktemp("straight"), *rows)

    shuffled = [*rows, *acts[:3]]  # some events come twice
    chance.shuffle(shuffled)
    folder = tmp_path_factory.mktemp("batches")
    sink = SqliteSink(folder / "activity.sqlite")
    for end in accumulate([size] * (len(shuffled) // size + 1)):
        for row in shuffled[end - size : end]:
            store(sink, row)
        learner = Learner(sink, folder / "policies", step=step)  # a new one: it starts from the published state
        learner.learn()
    assert close(straight, learner.state)
    learner.rebuild()
    assert close(straight, learner.state)


def test_two_learners_one_after_another_learn_each_row_once(tmp_path: Path) -> None:
    sink = SqliteSink(tmp_path / "activity.sqlite")
    first, second = Learner(sink, tmp_path / "policies"), Learner(sink, tmp_path / "policies")
    for row in (FEED, event(1, video_id=2, feed_id="f1"), event(2, "like", video_id=5, feed_id="f1")):
        store(sink, row)
        first.learn()
        second.learn()
    assert first.state.statistics["AU"] == second.state.statistics["AU"]
    assert first.state.statistics["AU"].count == 1.0


def test_a_crash_between_learning_and_publishing_is_repaired_by_the_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = SqliteSink(tmp_path / "activity.sqlite")
    learner = Learner(sink, tmp_path / "policies")
    for row in (FEED, event(1, video_id=2, feed_id="f1")):
        store(sink, row)
    with monkeypatch.context() as patched:
        patched.setattr(PolicyStore, "publish", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            learner.learn()
    learner.learn()
    assert learner.state.statistics["AU"].count == 1.0


def test_lessons_without_anything_change_nothing() -> None:
    assert Lessons().teach(bandits()) == 0


def test_rows_without_lessons_keep_the_version(tmp_path: Path) -> None:
    sink, store_ = SqliteSink(tmp_path / "activity.sqlite"), PolicyStore(tmp_path / "policies")
    learner = Learner(sink, tmp_path / "policies")
    for row in (FEED, event(1, video_id=2, feed_id="f1")):
        store(sink, row)
    version = learner.learn().version
    store(sink, decision("f9", "AU:1"))
    assert learner.learn().version == version == store_.current_version()
    assert store_.load_state().feed_row == 2


def test_a_policy_is_loaded_with_the_rewards_weights(tmp_path: Path) -> None:
    state = learnt(tmp_path, FEED, event(1, video_id=2, feed_id="f1"))
    policy = PolicyStore(tmp_path / "policies").load_current()
    assert (policy.version, policy.weights) == (state.version, WEIGHTS)
    assert policy.statistics["AU"] == state.statistics["AU"]


def test_before_anything_is_learnt_the_policy_is_untrained(tmp_path: Path) -> None:
    store_ = PolicyStore(tmp_path / "policies")
    assert store_.current_version() is None
    assert store_.load_current().version == "untrained"


def test_a_damaged_policy_falls_back_to_the_last_good_one_and_is_learnt_again(tmp_path: Path) -> None:
    sink, store_ = SqliteSink(tmp_path / "activity.sqlite"), PolicyStore(tmp_path / "policies")
    store(sink, FEED)
    store(sink, event(1, video_id=2, feed_id="f1"))
    good = Learner(sink, tmp_path / "policies").learn().version
    store(sink, event(2, "like", video_id=5, feed_id="f1"))
    newer = Learner(sink, tmp_path / "policies").learn().version
    (tmp_path / "policies" / f"{newer}.npz").write_bytes(b"PK damaged")
    assert store_.load_current().version == good
    assert Learner(sink, tmp_path / "policies").learn().version == newer
    assert store_.load_current().version == newer


def test_a_file_that_is_no_policy_is_told_so_without_a_proposal_to_trust_it(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("dear diary")
    with pytest.raises(StateFileError, match="it is no file of a policy"):
        load(tmp_path / "notes.txt")


def test_old_versions_are_pruned_and_the_live_one_stays(tmp_path: Path) -> None:
    sink, learner = SqliteSink(tmp_path / "activity.sqlite"), None
    store(sink, FEED)
    for number in range(1, 5):
        store(sink, event(number, video_id=number, feed_id="f1"))
        learner = Learner(sink, tmp_path / "policies")
        learner.learn()
    store_ = PolicyStore(tmp_path / "policies")
    store_.prune(1)
    assert len(list((tmp_path / "policies").glob("*.npz"))) == 1
    assert store_.load_current().version == store_.current_version() != "untrained"
