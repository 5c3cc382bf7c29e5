"""Population-based bandits against the model and the bound worked out anew, with nothing but linear algebra."""

from __future__ import annotations

import itertools
from typing import TypeVar

import numpy as np
import pytest

from raise_hpo.errors import UserError
from raise_hpo.schedule.bandit import Kernel, TimeVaryingProcess, best_points, breadth
from raise_hpo.schedule.pb2 import PB2
from raise_hpo.schedule.pbt import PBT
from raise_hpo.space import SearchSpace

Kind = TypeVar("Kind", bound=PBT)
SPACE = SearchSpace.parse({"lr": "loguniform(1e-4, 1e-1)", "layers": "randint(1, 5)"})


def covariance(kernel: Kernel, one: tuple[np.ndarray, float], other: tuple[np.ndarray, float]) -> float:
    """One pair's, as the paper writes it (Parker-Holder et al. 2020, section 3)."""
    squared = sum((a - b) ** 2 for a, b in zip(one[0], other[0], strict=True))
    return float(np.exp(-squared / (2 * kernel.length**2)) * (1 - kernel.forgetting) ** (abs(one[1] - other[1]) / 2))


def reference_bound(
    kernel: Kernel, measured: list, values: list[float], pending: list, point: tuple[np.ndarray, float], width: float
) -> float:
    """Mean from the measurements, standard deviation from them and what is pending."""

    def gram(points: list) -> np.ndarray:
        return np.array([[covariance(kernel, a, b) + kernel.noise * (a is b) for b in points] for a in points])

    centred = (np.array(values) - np.mean(values)) / np.std(values)
    near = np.array([covariance(kernel, point, other) for other in measured])
    mean = near @ np.linalg.solve(gram(measured), centred)
    every = measured + pending
    near = np.array([covariance(kernel, point, other) for other in every])
    return float(mean + width * np.sqrt(1 - near @ np.linalg.solve(gram(every), near)))


RATES = [0.0002, 0.001, 0.01, 0.08]


def loss(trial: int, epoch: int) -> float:
    return 5.0 / (1 + RATES[trial] * 30 * epoch) + trial / 50


def played(kind: type[Kind], intervals: int = 3) -> Kind:
    """Four members of different rates for some intervals of two epochs."""
    scheduler = kind(20, SPACE, seed=1, population=4, interval=2)
    for trial, rate in enumerate(RATES):
        scheduler.on_start(trial, {"lr": rate, "layers": 2})
    for epoch in range(1, 2 * intervals + 1):
        for trial in range(4):
            scheduler.on_report(trial, epoch, loss(trial, epoch))
    return scheduler


def test_gains_are_the_fall_of_the_loss_over_each_interval() -> None:
    found = [(gain.time, gain.before, gain.gain) for gain in played(PB2).gains]
    expected = [
        (end / 2, loss(trial, end - 2), loss(trial, end - 2) - loss(trial, end)) for end in (4, 6) for trial in range(4)
    ]
    assert found == [pytest.approx(each) for each in expected]


def test_an_heirs_gain_begins_with_its_parents_loss_and_is_per_interval() -> None:
    scheduler = played(PB2, intervals=2)
    before = len(scheduler.gains)
    scheduler.on_end(0)
    scheduler.on_heir(4, {"lr": 0.05, "layers": 2}, 3, 3)
    scheduler.on_report(4, 4, 0.2)
    parents = loss(3, 3)
    (gain,) = scheduler.gains[before:]
    assert (gain.before, gain.gain) == (pytest.approx(parents), pytest.approx((parents - 0.2) / 0.5))


def test_the_choice_is_where_an_independent_bound_is_largest() -> None:
    """The bound is worked out on a fine grid of learning rates, pair by pair."""
    scheduler = played(PB2)
    scheduler.on_end(0)
    heir = scheduler.heir()
    assert heir is not None
    parent = scheduler._members[heir.parent]

    rate = SPACE.dimensions["lr"]
    before = [gain.before for gain in scheduler.gains]
    low, width = min(before), max(before) - min(before)
    measured = [(np.array([*gain.point, (gain.before - low) / width]), gain.time) for gain in scheduler.gains]
    running = [place for place in scheduler._members.places if place.state == "running"]
    last = {place.trial: place.losses[6] for place in running}
    pending = [(np.array([rate.to_unit(p.config["lr"]), (last[p.trial] - low) / width]), 4.0) for p in running]
    values = [gain.gain for gain in scheduler.gains]
    kernel = fitted(scheduler)
    bounds = {
        x: reference_bound(
            kernel, measured, values, pending, (np.array([x, (last[parent.trial] - low) / width]), 4.0), breadth(8)
        )
        for x in np.linspace(0, 1, 401)
    }
    best = max(bounds, key=bounds.__getitem__)
    assert rate.to_unit(heir.config["lr"]) == pytest.approx(best, abs=0.004)
    assert max(bounds.values()) - min(bounds.values()) > 0.1
    assert heir.config["layers"] == parent.config["layers"]


def fitted(scheduler: PB2) -> Kernel:
    before = np.array([gain.before for gain in scheduler.gains])
    points = np.array([[*g.point, (g.before - before.min()) / np.ptp(before)] for g in scheduler.gains])
    times, values = (np.array([getattr(g, name) for g in scheduler.gains]) for name in ("time", "gain"))
    return TimeVaryingProcess(points, times, values).kernel


def test_the_kernels_numbers_are_the_likeliest_of_the_grid() -> None:
    rng = np.random.default_rng(4)
    points, times = rng.random((25, 2)), np.repeat(np.arange(5.0), 5)
    values = np.sin(6 * points[:, 0]) + 0.1 * rng.standard_normal(25)
    process = TimeVaryingProcess(points, times, values)

    def likelihood(kernel: Kernel) -> float:
        rows = list(zip(points, times, strict=True))
        gram = np.array([[covariance(kernel, a, b) for b in rows] for a in rows]) + kernel.noise * np.eye(25)
        centred = (values - values.mean()) / values.std()
        return float(-0.5 * (centred @ np.linalg.inv(gram) @ centred + np.linalg.slogdet(gram)[1]))

    grid = itertools.product((0.1, 0.2, 0.4, 0.8, 1.6), (0.01, 0.05, 0.2), (0.01, 0.1, 0.5))
    assert process.kernel == max((Kernel(*numbers) for numbers in grid), key=likelihood)


def test_what_is_pending_is_not_tried_again() -> None:
    points, times, values = np.array([[0.1], [0.9]]), np.array([1.0, 1.0]), np.array([0.0, 1.0])
    process = TimeVaryingProcess(points, times, values)
    nothing = process.bound(np.empty((0, 1)), np.empty(0), 2.0, 2.0)
    pending = process.bound(np.array([[0.5]]), np.array([2.0]), 2.0, 2.0)
    at = np.array([[0.5], [0.0]])
    assert pending(at)[0] < nothing(at)[0] - 0.5
    assert pending(at)[1] == pytest.approx(nothing(at)[1], abs=0.1)


def test_the_best_points_are_found_in_several_dimensions() -> None:
    top = np.array([0.3, 0.71, 1.0])
    found = best_points(lambda x: -np.square(x - top).sum(axis=1), 3, np.random.default_rng(1))
    assert found[0] == pytest.approx(top, abs=0.02)
    assert found.min() >= 0 and found.max() <= 1


def test_it_perturbs_like_pbt_while_measurements_are_few() -> None:
    heirs = []
    for scheduler in (played(PB2, intervals=1), played(PBT, intervals=1)):
        scheduler.on_end(0)
        heirs.append(scheduler.heir())
    assert heirs[0] == heirs[1] is not None


def test_forbidden_values_are_passed_over() -> None:
    space = SearchSpace.parse({"lr": "uniform(0, 1)", "forbidden": [{"lr": {"above": 0.4}}]})
    scheduler = PB2(20, space, seed=1, population=4, interval=2)
    for trial in range(4):
        scheduler.on_start(trial, {"lr": 0.1 * (trial + 1)})
    for epoch in range(1, 7):
        for trial in range(4):
            scheduler.on_report(trial, epoch, 10.0 - epoch * 0.1 * (trial + 1))
    scheduler.on_end(0)
    heir = scheduler.heir()
    assert heir is not None and heir.config["lr"] <= 0.4
    free = best_points(scheduler.bound(scheduler._members[heir.parent]), 1, np.random.default_rng(1))[0, 0]
    assert free > 0.4, "without the entry a forbidden value would be the best"


def test_choices_are_refused() -> None:
    space = SearchSpace.parse({"lr": "uniform(0, 1)", "act": "choice([relu, elu])"})
    with pytest.raises(UserError, match=r"perturb names 'act', a choice, but its model knows numbers only; valid: lr"):
        PB2(20, space, 1, perturb=["act"])
