"""raise-hpo's own searcher: a Gaussian process over all trials' curves, lifted to one epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raise_hpo.history import Config, History
from raise_hpo.predict.forecast import Curves, Forecast, default_rungs, forecast, renewals
from raise_hpo.search.base import Searcher
from raise_hpo.search.sobol import SobolSearcher
from raise_hpo.search.surface import Places, Surface, log_expected_improvement
from raise_hpo.space import SearchSpace

Array = NDArray[np.float64]

_ROWS = 200
_POOL = 300
"""New configurations to choose from, half of them at random, half near the best trials."""
_PROMISING = 10
_CLOSER = 100
"""More to choose from, near the most promising of the pool."""
_PENDING = 96
_REACH = (0.02, 0.06, 0.15)
_MARGIN = 0.01
_DOUBT = 2.0
"""Factor on the process's standard deviations: lifted losses of like trials err alike, which it takes for chance."""


class CurveSearcher(Searcher):
    """Expected improvement over what all curves so far are predicted to reach.

    A model of the curves lifts every trial, stopped and running ones too, to its loss at one epoch, with an
    uncertainty: the last epoch, or the last rung that four trials have come to while that is lower (see
    `raise_hpo.predict.lift`). A Gaussian process over configurations takes the lifted losses with their uncertainties
    as noise, so that many cheap trials and few long ones speak in one model. New configurations maximise the expected
    improvement a second of training, where the seconds differ. A few configurations are drawn at random, as in BOHB:
    they show where the model is wrong about configurations that no trial came far with.

    Args:
        space: The search space.
        seed: The study's seed.
        startup_trials: Trials of a Sobol sequence before the model begins; by the number of dimensions and slots if 0.
        explore: Share of configurations drawn at random for good.
    """

    name = "curve"

    def __init__(self, space: SearchSpace, seed: int, startup_trials: int = 0, explore: float = 0.08) -> None:
        super().__init__(space, seed)
        self.startup_trials = startup_trials
        self.explore = explore
        self._sobol = SobolSearcher(space, seed)
        self._sobol.name = self.name
        self._followed: _Followed | None = None
        self._parameters: dict[int, Array] = {}
        self._model: _Model | None = None

    def suggest(self, trial: int, history: History) -> Config | None:
        """A point of a Sobol sequence at first, then the pool's best by expected improvement."""
        curves = self._follow(history)
        rng = self.rng(trial)
        if len(curves.reached(len(curves.order))) < self._startup(history):
            return self._sobol.suggest(trial, history)
        if rng.random() < self.explore:
            return self.space.sample(rng)
        return self._modelled(curves, history).propose(history, rng)

    def _follow(self, history: History) -> Curves:
        """The curves of the history, read on from where they were read to."""
        if self._followed is None or self._followed.history is not history:
            rungs = self.rungs or default_rungs(history.max_epochs)
            self._followed = _Followed(history, Curves(self.space, rungs, history.max_epochs))
            self._parameters, self._model = {}, None
        self._followed.read_on()
        return self._followed.curves

    def _startup(self, history: History) -> int:
        """How many trials must have reached a rung before there is a model."""
        dimensions, slots = len(self.space), history.slots
        return self.startup_trials or max(2 * dimensions if slots <= 2 * dimensions else min(slots, 3 * dimensions), 4)

    def _modelled(self, curves: Curves, history: History) -> _Model:
        """The model as of its last renewal, which the reports decide, so that a resumed study has the same."""
        fits = renewals(len(curves.order), max(1, history.slots // 4), _first_with(curves, self._startup(history)))
        if fits.fitted not in self._parameters:
            self._parameters = {fits.fitted: _parameters(curves, fits.fitted, self.seed)}
        if self._model is None or self._model.count != fits.last:
            rng = np.random.default_rng([self.seed, fits.last, 1])
            self._model = _Model(self.space, curves, history, fits.last, self._parameters[fits.fitted], rng)
        return self._model


@dataclass
class _Followed:
    """Curves read from a history, and how far."""

    history: History
    curves: Curves
    suggested: int = 0
    reported: int = 0

    def read_on(self) -> None:
        history, curves = self.history, self.curves
        for trial in history.trials[self.suggested :]:
            if trial.parent is None and curves.space.contains(trial.config):
                curves.start(trial.number, trial.config)
        self.suggested = len(history.trials)
        for number, epoch in history.reports[self.reported :]:
            curves.report(number, epoch, history.loss(history.trials[number].values[epoch]))
        self.reported = len(history.reports)


def _first_with(curves: Curves, trials: int) -> int:
    """After how many reports at rungs so many trials had reached one."""
    seen: set[int] = set()
    for count, (trial, _) in enumerate(curves.order, 1):
        seen.add(trial)
        if len(seen) == trials:
            return count
    raise ValueError(f"fewer than {trials} trials have reached a rung")


class _Model:
    """The process after so many reports, and a pool of new configurations."""

    def __init__(
        self, space: SearchSpace, curves: Curves, history: History, count: int, theta: Array, rng: np.random.Generator
    ) -> None:
        self.count = count
        self._curves = curves
        known = forecast(curves, count)
        self._known = known
        self._surface = Surface(*_rows(known, rng), theta)
        self._slopes = _cost_slopes(curves, known, history)
        self._take(_pool(space, known, history, rng))
        best = np.argsort(-self._gain(), kind="stable")[:_PROMISING]
        self._take(self._pool + _near(space, [self._pool[index] for index in best], _CLOSER, rng))

    def _take(self, pool: list[Config]) -> None:
        """Look at these configurations."""
        self._pool = pool
        self._rows = self._curves.encode(pool)
        self._places = self._surface.at(self._rows)

    def _gain(self, tried: Places | None = None) -> Array:
        """The logarithm of each one's expected improvement a second, given that others are being tried."""
        deviation = _DOUBT * self._places.deviation(tried)
        gain = log_expected_improvement(self._places.mean, deviation, self._known.best - _MARGIN)
        return gain - self._rows @ self._slopes

    def propose(self, history: History, rng: np.random.Generator) -> Config:
        """The pool's configuration with the largest expected improvement, given what is being tried."""
        pending = [
            trial.number
            for trial in history.trials
            if trial.number not in self._known.of and trial.number in self._curves.units and trial.state != "failed"
        ][-_PENDING:]
        tried = np.array([self._curves.units[number] for number in pending])
        gain = self._gain(self._surface.at(tried) if pending else None)
        taken = {_rounded(row) for row in self._curves.units.values()}
        free = (index for index in np.argsort(-gain, kind="stable") if _rounded(self._rows[index]) not in taken)
        best = next(free, None)
        return self._curves.space.sample(rng) if best is None else self._pool[int(best)]


def _rounded(row: Array) -> tuple[float, ...]:
    return tuple(np.round(row, 9).tolist())


def _parameters(curves: Curves, count: int, seed: int) -> Array:
    rng = np.random.default_rng([seed, count, 2])
    return Surface.fitted(*_rows(forecast(curves, count), rng), rng)


def _rows(known: Forecast, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Configurations, levels and variances for the process: the best half of what it takes, and some of the others."""
    chosen = np.arange(len(known.mean))
    if len(chosen) > _ROWS:
        best, others = np.split(np.argsort(known.mean, kind="stable"), [_ROWS // 2])
        chosen = np.concatenate([best, rng.choice(others, _ROWS - len(best), replace=False)])
    return known.units[chosen], known.mean[chosen], known.variance[chosen]


def _pool(space: SearchSpace, known: Forecast, history: History, rng: np.random.Generator) -> list[Config]:
    """New configurations: half at random, half near the best trials."""
    best = [history.trials[known.trials[row]].config for row in np.argsort(known.mean, kind="stable")[:8]]
    drawn = [space.from_unit(point) for point in rng.random((_POOL // 2, len(space)))]
    found = [config for config in drawn if not space.is_forbidden(config)] + _near(space, best, _POOL // 2, rng)
    return found or [space.sample(rng)]


def _near(space: SearchSpace, configs: list[Config], count: int, rng: np.random.Generator) -> list[Config]:
    """So many configurations, less those that are forbidden, that are given ones with some dimensions moved."""
    if not configs:
        return []
    units = np.array([space.to_unit(config) for config in configs])
    points = units[rng.integers(len(units), size=count)]
    moved = rng.random(points.shape) < 0.6
    points = np.clip(points + rng.choice(_REACH, size=(count, 1)) * rng.normal(size=points.shape) * moved, 0, 1)
    return [config for config in map(space.from_unit, points) if not space.is_forbidden(config)]


def _cost_slopes(curves: Curves, known: Forecast, history: History) -> Array:
    """By how much a configuration's columns raise the logarithm of an epoch's seconds; zeros if epochs tell none."""
    latest = zip(known.trials[-_ROWS:], known.places[-_ROWS:], strict=True)
    measured = {number: _seconds(history, number, curves.rungs[place]) for number, place in latest}
    there = {number: seconds for number, seconds in measured.items() if seconds is not None}
    if len(there) < curves.width + 2 or np.ptp(list(there.values())) == 0:
        return np.zeros(curves.width)
    units = np.column_stack([np.ones(len(there)), [curves.units[number] for number in there]])
    gram = units.T @ units + 0.1 * np.eye(units.shape[1])
    slopes: Array = np.linalg.solve(gram, units.T @ np.log(list(there.values())))[1:]
    return slopes


def _seconds(history: History, number: int, epochs: int) -> float | None:
    """The median seconds of a trial's first epochs, if they tell them."""
    metrics = history.trials[number].metrics
    told = [metrics[epoch].get("seconds", 0.0) for epoch in range(1, epochs + 1)]
    return float(np.median(told)) if min(told) > 0 else None
