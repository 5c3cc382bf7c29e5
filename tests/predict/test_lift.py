"""Lifting curves to their last epoch."""

import numpy as np
import pytest

from raise_hpo.predict.lift import Lift, Partial, Step, Warp

RUNGS = (1, 3, 9, 27)


def curves(trials: int, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Units and curves whose fall in each step is decided by the second number of the unit."""
    rng = np.random.default_rng(seed)
    units = rng.random((trials, 2))
    epochs = np.log(np.arange(1, 28))
    found = units[:, :1] - (0.2 + units[:, 1:]) * epochs / epochs[-1]
    return units, found + noise * rng.normal(size=found.shape)


def falling(lows: list[float], epochs: int, noise: float = 0.0) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [low + 1 / np.arange(1, epochs + 1) - 1 / epochs + noise * rng.normal(size=epochs) for low in lows]


def test_the_scale_spreads_the_best_and_bounds_the_worst() -> None:
    warp = Warp.of(falling([1.0, 1.01, 1.2, 2.0, 3.0], 3), far=9)
    assert warp(np.array([1.01]))[0] - warp(np.array([1.0]))[0] > warp(np.array([2.01]))[0] - warp(np.array([2.0]))[0]
    assert warp(np.array([1e9]))[0] == warp(np.array([np.inf]))[0] == warp(np.array([50.0]))[0]
    assert np.all(np.isfinite(warp(np.array([1.0, 0.5, 0.9]))))


def test_trials_that_came_far_decide_how_finely_the_best_are_told_apart() -> None:
    started = falling([5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0], 1)
    far = falling([1.0, 1.01, 1.02, 1.03], 9)
    fine, coarse = Warp.of([*started, *far], far=9), Warp.of([*started, *far], far=10)
    assert 1.0 - fine.floor < 0.01 < 1.0 - coarse.floor


def test_what_is_noise_is_not_told_apart() -> None:
    noisy = falling([1.0, 1.001, 1.002, 1.003, 1.004, 1.005], 30, noise=0.02)
    assert 0.5 * 0.04 < min(curve.min() for curve in noisy) - Warp.of(noisy, far=9).floor < 2 * 0.04


def test_a_partial_curve_is_the_same_whatever_follows() -> None:
    units, known = curves(5)
    assert np.array_equal(Partial.at(9, units, known).features, Partial.at(9, units, known[:, :9]).features)


def test_a_step_learns_what_decides_the_change_and_how_sure_that_is() -> None:
    units, known = curves(40, noise=0.01)
    before, after = Partial.at(9, units, known), Partial.at(27, units, known)
    step = Step(before, after.level, 0.25)
    new_units, new = curves(30, noise=0.01, seed=1)
    change, variance = step(Partial.at(9, new_units, new))
    errors = Partial.at(9, new_units, new).level + change - Partial.at(27, new_units, new).level
    assert np.std(errors) < 0.4 * np.std(Partial.at(27, new_units, new).level - Partial.at(9, new_units, new).level)
    assert 0.5 < np.sqrt(variance.mean()) / np.std(errors) < 2.5
    assert step.rank > step.last


def test_held_out_predictions_are_those_of_a_fit_without_the_trial() -> None:
    units, known = curves(12, noise=0.05)
    before, after = Partial.at(9, units, known), Partial.at(27, units, known)
    step = Step(before, after.level, 0.25)
    rows = (before.features - before.features.mean(axis=0)) / (before.features.std(axis=0) + 1e-6)
    change = after.level - before.level
    for left_out in range(12):
        kept = np.arange(12) != left_out
        # Ridge regression with a free intercept, which is not penalised, on the other trials.
        design = np.column_stack([np.ones(11), rows[kept]])
        penalty = np.diag([0.0, *[3.0] * rows.shape[1]])
        weights = np.linalg.solve(design.T @ design + penalty, design.T @ change[kept])
        expected = change[left_out] - weights @ [1, *rows[left_out]]
        assert step._errors[left_out] == pytest.approx(expected, abs=1e-9)


def test_noise_is_not_learnt() -> None:
    rng = np.random.default_rng(0)
    before = Partial(rng.random((30, 3)), rng.normal(size=30), rng.normal(size=30))
    changes = [Step(before, before.level - 1 + rng.normal(size=30), 0.25)(before)[0] for _ in range(20)]
    assert np.median([change.std() for change in changes]) < 0.5


def test_trials_unlike_those_that_were_promoted_are_less_sure() -> None:
    units, known = curves(40, noise=0.02)
    promoted = units[:, 1] > 0.5
    step = Step(Partial.at(9, units[promoted], known[promoted]), Partial.at(27, units, known).level[promoted], 0.25)
    alike, unlike = step(Partial.at(9, np.array([[0.5, 0.75], [0.5, 0.0]]), known[:2]))[1]
    assert unlike > 1.2 * alike


def test_levels_are_predicted_at_the_last_rung_that_four_trials_have_come_to() -> None:
    units, known = curves(20)
    with_three = Lift(RUNGS, units, [curve[: 27 if index < 3 else 9] for index, curve in enumerate(known)])
    with_four = Lift(RUNGS, units, [curve[: 27 if index < 4 else 9] for index, curve in enumerate(known)])
    assert (with_three.rungs[-1], with_four.rungs[-1]) == (9, 27)


def test_a_trial_that_came_further_has_its_level_at_the_rung_that_all_compare_at() -> None:
    units, known = curves(20)
    lift = Lift(RUNGS, units, [curve[: 27 if index < 3 else 9] for index, curve in enumerate(known)])
    mean, variance = lift.last(27, units[:3], known[:3])
    assert np.array_equal(mean, Partial.at(9, units[:3], known[:3]).level)
    assert np.all(variance < 1e-3)


def test_with_few_trials_all_levels_change_by_the_mean_change_and_are_unsure() -> None:
    units, known = curves(20)
    lift = Lift(RUNGS, units, [curve[: 27 if index < 5 else 9] for index, curve in enumerate(known)])
    mean, variance = lift.last(9, units, known[:, :9])
    change = Partial.at(27, units[:5], known[:5]).level - Partial.at(9, units[:5], known[:5]).level
    assert mean - Partial.at(9, units, known).level == pytest.approx(change.mean())
    assert np.all(variance > 0.005)


def test_a_trial_that_is_through_is_known() -> None:
    units, known = curves(20)
    mean, variance = Lift(RUNGS, units, list(known)).last(27, units, known)
    assert np.array_equal(mean, Partial.at(27, units, known).level)
    assert np.all(variance < 1e-3)


def test_steps_are_chained_over_rungs() -> None:
    units, known = curves(60, noise=0.005)
    lift = Lift(RUNGS, units, [curve[: RUNGS[index % 4]] for index, curve in enumerate(known)])
    new_units, new = curves(40, noise=0.005, seed=1)
    mean, _ = lift.last(3, new_units, new[:, :3])
    final = Partial.at(27, new_units, new).level
    last = Partial.at(3, new_units, new).level
    assert np.corrcoef(mean, final)[0, 1] > np.corrcoef(last, final)[0, 1] + 0.02
