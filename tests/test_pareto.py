"""Non-dominated sorting against its definition, worked out here pair by pair."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_hpo.pareto import Fronts, dominates, first_front, spread

# Few different values, so that equal points and equal coordinates are frequent.
points = st.integers(2, 4).flatmap(
    lambda size: st.lists(st.tuples(*[st.integers(0, 6).map(float)] * size), min_size=1, max_size=40)
)
unhurried = settings(deadline=None)


def better(one, other) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and any(a < b for a, b in zip(one, other, strict=True))


def reference_fronts(found) -> list[set[int]]:
    """Take away what nobody left dominates, again and again: O(n^2) a front."""
    left, fronts = set(range(len(found))), []
    while left:
        front = {one for one in left if not any(better(found[other], found[one]) for other in left)}
        fronts.append(front)
        left -= front
    return fronts


@given(points)
@unhurried
def test_dominance_is_a_strict_order(found) -> None:
    for one, other in itertools.product(found, found):
        assert dominates(one, other) == better(one, other)
        assert not (dominates(one, other) and dominates(other, one))


@given(points)
@unhurried
def test_the_first_front_is_what_nobody_dominates(found) -> None:
    front = first_front(found)
    assert set(front) == reference_fronts(found)[0]
    assert [found[index][0] for index in front] == sorted(found[index][0] for index in front)


@given(points)
@unhurried
def test_fronts_kept_up_to_date_are_those_of_sorting_anew(found) -> None:
    fronts = Fronts()
    for count, point in enumerate(found, 1):
        fronts.add(count - 1, point)
        expected = reference_fronts(found[:count])
        assert [set(fronts.members(number)) for number in range(len(fronts))] == expected
    for number, front in enumerate(expected):
        assert sorted(fronts.ordered(number)) == sorted(front)
        assert all(fronts.front_of(key) == number for key in front)
        assert fronts.size(number) == len(front)


@given(points)
@unhurried
def test_each_point_of_the_spread_is_the_farthest_from_those_before(found) -> None:
    order = spread(found)
    assert sorted(order) == list(range(len(found)))
    values = np.array(found)
    extent = values.max(axis=0) - values.min(axis=0)
    scaled = values / np.where(extent > 0, extent, 1)
    assert values[order[0], 0] == values[:, 0].min()

    def gap(index, before) -> float:
        return min(float(np.linalg.norm(scaled[index] - scaled[other])) for other in before)

    for count in range(1, len(order)):
        gaps = [gap(index, order[:count]) for index in order[count:]]
        assert gaps[0] >= max(gaps) - 1e-12


def test_units_do_not_change_the_spread() -> None:
    rng = np.random.default_rng(4)
    values = rng.random((30, 2))
    assert spread([tuple(row) for row in values]) == spread([(a * 1e6, b * 1e-3) for a, b in values])


def test_the_first_few_of_a_spread_cover_the_front() -> None:
    line = [(x / 100, 1 - x / 100) for x in range(101)]
    assert [line[index] for index in spread(line)[:3]] == [(0.0, 1.0), (1.0, 0.0), (0.5, 0.5)]
