"""Forecasts as folds of reports."""

from itertools import pairwise

import numpy as np
import pytest

from raise_hpo.predict.forecast import Curves, default_rungs, forecast, renewals
from raise_hpo.space import SearchSpace

SPACE = SearchSpace.parse({"lr": "uniform(0, 1)", "dropout": "uniform(0, 1)"})


def played(trials: int = 30, longer: int = 0) -> Curves:
    """Trials at different rungs; `longer` of them report more at the end."""
    rng = np.random.default_rng(0)
    curves = Curves(SPACE, (1, 3, 9), 27)
    for trial in range(trials):
        config = SPACE.sample(rng)
        curves.start(trial, config)
        for epoch in range(1, (1, 3, 9, 27)[trial % 4] + 1):
            curves.report(trial, epoch, config["lr"] + 1 / epoch)
    for trial in range(0, 4 * longer, 4):
        for epoch in (2, 3):
            curves.report(trial, epoch, 0.5)
    return curves


def test_a_forecast_of_the_past_does_not_know_the_future() -> None:
    before, after = played(), played(longer=3)
    count = len(before.order)
    assert len(after.order) == count + 3
    assert np.array_equal(forecast(before, count).mean, forecast(after, count).mean)
    assert not np.array_equal(forecast(after, count).mean, forecast(after, count + 3).mean)


def test_a_later_trial_is_lifted_like_one_that_was_there() -> None:
    curves = played()
    known = forecast(curves, len(curves.order))
    for trial, place in curves.reached(len(curves.order)).items():
        assert known.level(curves, trial, place) == pytest.approx(known.of[trial])


def test_heirs_and_unknown_trials_are_left_out() -> None:
    curves = Curves(SPACE, (1, 3), 9)
    curves.report(7, 1, 0.5)
    curves.start(8, {"lr": 0.5, "dropout": 0.5})
    curves.report(8, 4, 0.5)
    assert curves.order == []


def test_renewals_depend_on_the_count_alone_and_grow() -> None:
    lasts = [renewals(count, 1, 10).last for count in range(10, 500)]
    assert lasts[0] == 10 and all(last <= count for count, last in enumerate(lasts, 10))
    assert sorted(lasts) == lasts
    fitted = sorted({renewals(count, 1, 10).fitted for count in range(10, 500)})
    assert all(after >= 1.2 * before for before, after in pairwise(fitted))


def test_without_rungs_curves_are_looked_at_at_powers_of_three() -> None:
    assert default_rungs(100) == (1, 3, 9, 27, 81)
    assert default_rungs(1) == ()
