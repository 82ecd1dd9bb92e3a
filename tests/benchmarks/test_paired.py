"""What a comparison calls slower: a planted slowdown, never the same tree twice."""

import numpy as np
import pytest

from benchmarks.paired import Verdict, least_rounds, one_round, verdict, verdicts

CASES = ["a feed", "another", "a third", "a fourth", "a fifth"]


class Machine:
    """Slows down and recovers slowly, as neighbours come and go, and stalls now and then."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random, self.load = random, 0.0

    def slowdown(self) -> float:
        """What a call takes now, over what it takes when nothing else runs."""
        self.load = 0.98 * self.load + self.random.normal(0, 0.05)
        stall = 3.0 if self.random.random() < 0.02 else 1.0
        return float(np.exp(abs(self.load)) * stall * self.random.lognormal(0, 0.03))


class Tree:
    """One process: a tree's own time, with a share that the process has by luck."""

    def __init__(self, machine: Machine, own: float) -> None:
        self.machine, self.own = machine, own * machine.random.lognormal(0, 0.01)

    def measure(self, case: str, turn: int) -> float:
        return self.own * self.machine.slowdown()


def compared(seed: int, slower: float, rounds: int = 12) -> dict[str, Verdict]:
    """The verdicts on two trees of which one takes `slower` times as long."""
    machine = Machine(np.random.default_rng(seed))
    made = [one_round(Tree(machine, 0.4 * slower), Tree(machine, 0.4), CASES, turns=4) for _ in range(rounds)]
    return verdicts(made)


@pytest.mark.parametrize("seed", range(10))
def test_a_planted_slowdown_of_a_fifth_is_found(seed: int) -> None:
    assert all(one.regressed and one.word == "slower" for one in compared(seed, 1.2).values())


@pytest.mark.parametrize("seed", range(10))
def test_the_same_tree_twice_is_no_regression(seed: int) -> None:
    assert not [one for one in compared(seed, 1.0).values() if one.regressed]


def test_equal_trees_are_seldom_called_different_even_a_little() -> None:
    apart = [seed for seed in range(40) if any("noise" not in one.word for one in compared(seed, 1.0).values())]
    assert len(apart) <= 5  # 5 % of 40 are 2; more than 5 would come once in a hundred such tests


def test_what_became_faster_is_called_so() -> None:
    assert {one.word for one in compared(1, 0.8).values()} == {"faster"}


def test_a_slowdown_below_the_threshold_is_told_and_forgiven() -> None:
    found = verdict([1.02, 1.021, 1.019, 1.02, 1.022, 1.018, 1.02, 1.02])
    assert found.low > 1
    assert found.word == "slower by less than 5%"
    assert not found.regressed
    assert verdict([0.98, 0.981, 0.979, 0.98, 0.978, 0.982]).word == "faster by less than 5%"


def test_what_copies_of_one_tree_differ_by_is_noise_however_sure() -> None:
    assert verdict([1.004, 1.005, 1.006, 1.005, 1.004, 1.006]).word == "no difference within noise"
    assert verdict([0.996, 0.995, 0.994, 0.995, 0.996, 0.994]).word == "no difference within noise"


def test_too_few_rounds_are_refused_and_the_least_that_are_asked_for_suffice() -> None:
    for cases in (1, 5, 6, 20):
        rounds = list(np.linspace(1.1, 1.2, least_rounds(cases)))
        assert verdict(rounds, cases=cases).regressed
        with pytest.raises(ValueError, match="too few"):
            verdict(rounds[1:], cases=cases)


def test_both_sides_go_first_equally_often() -> None:
    calls: list[str] = []

    class Noted:
        def __init__(self, name: str) -> None:
            self.name = name

        def measure(self, case: str, turn: int) -> float:
            calls.append(f"{self.name}{turn}")
            return 1.0

    assert one_round(Noted("a"), Noted("b"), ["x"], turns=2) == {"x": 1.0}
    assert calls == ["a0", "b0", "b0", "a0", "b1", "a1", "a1", "b1"]
