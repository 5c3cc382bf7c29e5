import numpy as np
import pytest

from raise_hpo.search.outcomes import Codes, Fold, outcomes, ranks
from raise_hpo.space import SearchSpace
from tests.search.play import add, history

SPACE = SearchSpace.parse({"x": "uniform(0, 1)"})


def codes() -> Codes[float]:
    return Codes(SPACE, lambda config: config["x"])


def test_the_last_rung_counts_while_a_trial_trains_and_the_last_epoch_when_it_has_ended():
    told = history(9)
    add(told, {"x": 0.0}, [5.0, 4.0, 3.0, 2.0], "running")
    add(told, {"x": 0.1}, [5.0, 4.5], "running")
    add(told, {"x": 0.2}, [6.0, 5.5], "stop")
    add(told, {"x": 0.3}, [6.0], "pause")
    add(told, {"x": 0.4}, [], "running")
    found = {outcome.code: (outcome.epoch, outcome.loss) for outcome in outcomes(told, (1, 3), codes())}
    assert found == {0.0: (3, 3.0), 0.1: (1, 5.0), 0.2: (2, 5.5), 0.3: (1, 6.0)}


def test_without_rungs_a_trial_counts_when_it_has_ended():
    told = history(3)
    add(told, {"x": 0.0}, [5.0, 4.0], "running")
    add(told, {"x": 0.1}, [5.0, 4.0, 3.0])
    assert [(outcome.code, outcome.epoch) for outcome in outcomes(told, (), codes())] == [(0.1, 3)]


def test_whoever_trained_further_is_ahead_and_failures_are_last():
    told = history(9)
    add(told, {"x": 0.0}, [0.1], "stop")
    add(told, {"x": 0.1}, [9.0, 8.0, 7.0], "stop")
    add(told, {"x": 0.2}, [0.01, 0.01, 0.01, 0.01], "failed")
    add(told, {"x": 0.3}, [9.0, 8.0, 6.0], "stop")
    order = ranks([outcome.standing for outcome in outcomes(told, (1, 3), codes())])
    assert order.tolist() == [2, 1, 3, 0]


def test_the_order_is_that_of_the_first_outcome():
    told = history(9)
    for x, time in ((0.0, 30), (0.1, 10), (0.2, 20), (0.3, 10)):
        add(told, {"x": x}, [1.0], "stop", time)
    assert [outcome.code for outcome in outcomes(told, (), codes())] == [0.1, 0.3, 0.2, 0.0]


def test_a_default_outside_the_space_and_an_objective_to_maximise():
    told = history(1)
    told.mode = "max"
    add(told, {"x": 2.0}, [1.0])
    add(told, {"x": 0.5}, [3.0])
    assert [(outcome.code, outcome.loss) for outcome in outcomes(told, (), codes())] == [(0.5, -3.0)]


def test_a_failure_is_infinitely_bad():
    told = history(1)
    add(told, {"x": 0.5}, [], "failed")
    (outcome,) = outcomes(told, (), codes())
    assert (outcome.epoch, outcome.loss) == (0, np.inf)


@pytest.mark.parametrize("calls", [["ab", "abc"], ["abc", "ab"], ["abc", "xbc", "abc"], ["", "a"]])
def test_a_fold_is_the_same_whatever_it_folded_before(calls: list[str]):
    fold: Fold[list[str], str] = Fold(list, lambda state, item: state.append(item))
    for call in calls:
        assert "".join(fold(list(call))) == call


def test_a_fold_takes_only_what_is_new():
    taken: list[str] = []
    fold: Fold[None, str] = Fold(lambda: None, lambda _, item: taken.append(item))
    fold("ab")
    fold("abc")
    assert taken == ["a", "b", "c"]
