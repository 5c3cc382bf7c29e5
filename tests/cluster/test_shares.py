"""How studies share a cluster's slots."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raise_hpo.cluster.shares import FORGOTTEN_SECONDS, Shares, shares

NAMES = [f"s{number}" for number in range(6)]
PRIORITIES = st.floats(min_value=0.01, max_value=100)


@st.composite
def studies(draw: st.DrawFn) -> tuple[int, dict[str, int], dict[str, float]]:
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    demands = {name: draw(st.integers(0, 40)) for name in names}
    return draw(st.integers(0, 60)), demands, {name: draw(PRIORITIES) for name in names}


@given(studies())
def test_every_slot_that_is_wanted_is_given_and_no_other(case: tuple[int, dict[str, int], dict[str, float]]) -> None:
    total, demands, priorities = case
    found = shares(total, demands, priorities)
    assert sum(found.values()) == min(total, sum(demands.values()))
    assert all(0 <= found[name] <= demands[name] for name in demands)


@given(studies())
def test_each_study_gets_a_slot_as_long_as_there_are_slots(
    case: tuple[int, dict[str, int], dict[str, float]],
) -> None:
    total, demands, priorities = case
    found = shares(total, demands, priorities)
    asking = [name for name in demands if demands[name]]
    assert sum(found[name] > 0 for name in asking) == min(total, len(asking))


@given(studies(), st.floats(min_value=1.0, max_value=50.0))
def test_a_higher_priority_never_gives_less(case: tuple[int, dict[str, int], dict[str, float]], factor: float) -> None:
    total, demands, priorities = case
    before = shares(total, demands, priorities)
    after = shares(total, demands, priorities | {"s0": priorities["s0"] * factor})
    assert after["s0"] >= before["s0"]


@given(studies())
def test_of_two_that_want_alike_the_one_of_higher_priority_has_no_less(
    case: tuple[int, dict[str, int], dict[str, float]],
) -> None:
    total, demands, priorities = case
    found = shares(total, demands, priorities)
    for one in demands:
        for other in demands:
            if priorities[one] > priorities[other] and demands[one] >= demands[other]:
                assert found[one] >= found[other]


@given(studies())
def test_the_share_is_the_exact_one_rounded(case: tuple[int, dict[str, int], dict[str, float]]) -> None:
    total, demands, priorities = case
    plenty = dict.fromkeys(demands, 1000)
    found = shares(total, plenty, priorities)
    exact = {name: total * priorities[name] / sum(priorities.values()) for name in demands}
    if all(share >= 1 for share in exact.values()):
        assert all(abs(found[name] - exact[name]) < 1 for name in demands)


def test_examples() -> None:
    assert shares(4, {"a": 9, "b": 9}, {"a": 1.0, "b": 3.0}) == {"a": 1, "b": 3}
    assert shares(7, {"a": 9, "b": 9, "c": 9}, {"a": 1.0, "b": 1.0, "c": 1.0}) == {"a": 3, "b": 2, "c": 2}
    assert shares(8, {"a": 9, "b": 1, "c": 0}, {"a": 1.0, "b": 9.0, "c": 1.0}) == {"a": 7, "b": 1, "c": 0}
    assert shares(2, {"a": 9, "b": 9, "c": 9}, {"a": 1.0, "b": 2.0, "c": 3.0}) == {"a": 0, "b": 1, "c": 1}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_study_alone_has_everything_until_another_one_asks_and_again_when_it_is_gone() -> None:
    clock = Clock()
    shared = Shares(clock)
    assert shared.ask("a", 1.0, 4, 100) == 4
    assert shared.ask("b", 3.0, 4, 100) == 3
    assert shared.ask("a", 1.0, 4, 100) == 1
    clock.now = FORGOTTEN_SECONDS
    assert shared.ask("a", 1.0, 4, 100) == 4
    shared.ask("b", 3.0, 4, 100)
    shared.forget("b")
    assert shared.ask("a", 1.0, 4, 100) == 4


def test_what_nobody_wants_may_be_used_by_any() -> None:
    shared = Shares(Clock())
    shared.ask("a", 1.0, 8, 2)
    assert shared.ask("b", 1.0, 8, 3) == 6
    assert shared.ask("a", 1.0, 8, 2) == 5


def test_large_slots_count_as_many_small_ones() -> None:
    shared = Shares(Clock())
    shared.ask("small", 1.0, 16, 100)
    assert shared.ask("large", 1.0, 4, 100) == 2
    assert shared.ask("small", 1.0, 16, 100) == 8


def test_nobody_is_told_anything_before_all_could_ask() -> None:
    clock = Clock()
    shared = Shares(clock, patience=3.0)
    assert shared.ask("a", 1.0, 4, 100) is None
    shared.ask("b", 1.0, 4, 100)
    clock.now = 3.0
    assert shared.ask("a", 1.0, 4, 100) == 2


def test_a_cluster_without_a_node_has_no_slots() -> None:
    assert Shares(Clock()).ask("a", 1.0, 0, 5) == 0
