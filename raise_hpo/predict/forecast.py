"""What all trials of a study will reach at one epoch, as known after so many reports at rungs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from raise_hpo.predict.lift import Lift, Warp
from raise_hpo.space import SearchSpace
from raise_hpo.space.encode import Encoder

Array = NDArray[np.float64]

_GROWTH = 1.2
"""What is dear to fit is fitted again when there are so many times the reports."""


class Curves:
    """The learning curves of a study and the order in which trials reached the rungs.

    Args:
        space: The search space.
        rungs: The rungs' epochs, rising, without the last epoch.
        max_epochs: The last epoch, which counts as a rung here.
    """

    def __init__(self, space: SearchSpace, rungs: Sequence[int], max_epochs: int) -> None:
        self.rungs = (*(rung for rung in rungs if rung < max_epochs), max_epochs)
        self.units: dict[int, Array] = {}
        self.losses: dict[int, list[float]] = {}
        self.order: list[tuple[int, int]] = []
        self.space = space
        self._reached: dict[int, int] = {}
        self._encoder = Encoder(space)
        self._places = {epoch: place for place, epoch in enumerate(self.rungs)}

    @property
    def width(self) -> int:
        """The number of columns of an encoded configuration."""
        return self._encoder.width

    def encode(self, configs: Sequence[Mapping[str, object]]) -> Array:
        """Configurations as rows, shape ``(configurations, width)``."""
        return self._encoder.encode(configs)

    def start(self, trial: int, config: Mapping[str, object]) -> None:
        """A trial of this configuration will report."""
        self.units[trial] = self._encoder.encode([config])[0]
        self.losses[trial] = []

    def report(self, trial: int, epoch: int, loss: float) -> None:
        """A trial has reported; one that was not announced, or did not begin at the first epoch, is left out."""
        curve = self.losses.get(trial)
        if curve is None or epoch != len(curve) + 1:
            return
        curve.append(loss)
        if epoch in self._places:
            self.order.append((trial, self._places[epoch]))
            self._reached[trial] = self._places[epoch]

    def place(self, trial: int) -> int:
        """The rung that a trial has reached by now."""
        return self._reached[trial]

    def reached(self, count: int) -> dict[int, int]:
        """The place of the rung that each trial had reached after the first `count` reports at rungs."""
        return dict(self.order[:count])

    def curve(self, trial: int, place: int) -> Array:
        """A trial's losses up to a rung."""
        return np.array(self.losses[trial][: self.rungs[place]])


@dataclass(frozen=True)
class Forecast:
    """The trials' losses at one epoch, on a warped scale: at the last one as soon as enough trials have come to it.

    Attributes:
        warp: The scale.
        lift: The model of the curves.
        trials: The trials' numbers, in the order in which they reached their first rung.
        places: The rung that each has reached, shape ``(trials,)``.
        units: Their encoded configurations, shape ``(trials, width)``.
        mean: Expected levels at the epoch, shape ``(trials,)``; smaller is better.
        variance: Their variances.
        best: The least warped loss of any trial until the epoch.
    """

    warp: Warp
    lift: Lift
    trials: list[int]
    places: NDArray[np.int64]
    units: Array
    mean: Array
    variance: Array
    best: float

    @cached_property
    def of(self) -> dict[int, float]:
        """The expected level of each trial."""
        return dict(zip(self.trials, self.mean.tolist(), strict=True))

    def level(self, curves: Curves, trial: int, place: int) -> float:
        """The expected level of a trial that has come to a rung since."""
        known = self.warp(curves.curve(trial, place))[None]
        return float(self.lift.last(curves.rungs[place], curves.units[trial][None], known)[0][0])


def forecast(curves: Curves, count: int) -> Forecast:
    """The forecast after the first `count` reports at rungs, at least one."""
    reached = curves.reached(count)
    trials, places = list(reached), np.array(list(reached.values()))
    losses = [curves.curve(trial, place) for trial, place in reached.items()]
    warp = Warp.of(losses, far=curves.rungs[len(curves.rungs) // 2])
    warped = [warp(curve) for curve in losses]
    units = np.array([curves.units[trial] for trial in trials])
    lift = Lift(curves.rungs, units, warped)
    mean, variance = np.empty(len(trials)), np.empty(len(trials))
    for place in np.unique(places):
        rows = np.flatnonzero(places == place)
        known = np.array([warped[row] for row in rows])
        mean[rows], variance[rows] = lift.last(curves.rungs[place], units[rows], known)
    target = lift.rungs[-1]
    best = min(float(curve[:target].min()) for curve in warped)
    return Forecast(warp, lift, trials, places, units, mean, variance, best)


@dataclass(frozen=True)
class Renewals:
    """After how many reports at rungs the model was last renewed, and its kernel's parameters last fitted."""

    last: int
    fitted: int


def renewals(count: int, every: int, first: int) -> Renewals:
    """The renewals before `count` reports: at `first`, then every so many reports or every fortieth of all.

    The kernel is fitted at each renewal that has a fifth more reports than the fit before.
    """
    last = fitted = first
    while (following := last + max(every, last // 40)) <= count:
        last = following
        if last >= _GROWTH * fitted:
            fitted = last
    return Renewals(last, fitted)


def default_rungs(max_epochs: int) -> tuple[int, ...]:
    """Epochs at which curves are looked at where the scheduler has no rungs: powers of three."""
    rungs, epoch = [], 1
    while epoch < max_epochs:
        rungs.append(epoch)
        epoch *= 3
    return tuple(rungs)
