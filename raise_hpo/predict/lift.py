"""Lifting partial learning curves: where a trial's loss will be at a later epoch, from rung to rung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raise_hpo.predict.guard import rank_correlation

Array = NDArray[np.float64]

_ENOUGH = 4
"""Curves that a step needs before levels are carried over it."""
_FEWEST = 6
"""Curves that a step needs before it is modelled."""
_MOST = 250
"""The latest curves that a step is modelled from: enough, and its cost stays bounded."""
_RIDGE = 3.0
_KNOWN = 1e-4
"""Variance of a level that was measured."""
_UNLIKE = 8.0
"""The most by which unlikeness multiplies a variance."""
_UNKNOWN = 0.25
"""The least standard deviation of a step from the first rung while it has no model; of later rungs it is smaller."""


@dataclass(frozen=True)
class Warp:
    """Losses on a scale on which the best differ as much as the bad: the logarithm of their distance to a floor.

    The floor lies below the best loss by a part of what the trials that came far differ by, but by no less than the
    noise of a curve, which would be all that is seen otherwise. A ceiling lies well above the median, so that a
    diverged trial does not decide what a model sees.
    """

    floor: float
    ceiling: float
    least: float

    @classmethod
    def of(cls, curves: Sequence[Array], far: int) -> Warp:
        """The scale for some trials' curves, of which those of `far` epochs or more came far."""
        lows = np.array([curve.min() for curve in curves])
        best, median = float(lows.min()), float(np.median(lows))
        spread = max(median - best, 1e-9)
        ahead = lows[[len(curve) >= far for curve in curves]]
        offset = 0.25 * float(np.median(ahead) - best) if len(ahead) >= 4 else 0.05 * spread
        offset = max(offset, 2.0 * _noise([curve for curve, low in zip(curves, lows, strict=True) if low <= median]))
        offset = max(offset, 1e-4 * spread)
        return cls(best - offset, median + 3.0 * spread, 0.4 * offset)

    def __call__(self, losses: Array) -> Array:
        """Losses on this scale, of any shape."""
        distance: Array = np.log(np.maximum(np.minimum(losses, self.ceiling) - self.floor, self.least))
        return distance


def _noise(curves: Sequence[Array]) -> float:
    """The standard deviation of curves about a straight line, from second differences in their later halves."""
    bends = [np.median(np.abs(np.diff(curve[len(curve) // 2 :], 2))) for curve in curves if len(curve) >= 6]
    # Of normal noise, a second difference has sqrt(6) times the deviation, and half of them are below 0.6745 of that.
    return float(np.median(bends)) / (0.6745 * 6**0.5) if len(bends) >= 2 else 0.0


@dataclass(frozen=True)
class Partial:
    """Trials' curves up to a rung, as a model sees them, one row a trial.

    Attributes:
        units: Encoded configurations, shape ``(trials, width)``.
        level: The warped loss at the rung, a mean over its last fifth.
        slope: The change of the warped loss over the last third before the rung.
    """

    units: Array
    level: Array
    slope: Array

    @classmethod
    def at(cls, epoch: int, units: Array, curves: Array) -> Partial:
        """Of warped curves, shape ``(trials, at least epoch)``."""
        tail = max(1, epoch // 5) if epoch > 3 else 1
        back = max(1, epoch // 3)
        level = curves[:, epoch - tail : epoch].mean(axis=1)
        slope = curves[:, epoch - 1] - curves[:, epoch - 1 - back] if epoch >= 2 else np.zeros(len(curves))
        return cls(units, level, slope)

    @property
    def features(self) -> Array:
        """Configuration, level and slope, shape ``(trials, width + 2)``."""
        return np.column_stack([self.units, self.level, self.slope])


class Step:
    """The change of the level from one rung to the next: ridge regression and a support vector regression, averaged.

    While fewer than six trials have made it, and where a model predicts held-out changes no better, all levels change
    by the mean change.

    Attributes:
        rank: Rank correlation of held-out (leave-one-out) predictions with the level at the next rung.
        last: Rank correlation of the level itself with the level at the next rung.
    """

    def __init__(self, before: Partial, after: Array, unknown: float) -> None:
        change = after - before.level
        few = len(change) < _FEWEST
        self._mean, spread = float(change.mean()), float(change.std()) + 1e-3
        self._spread = max(spread, unknown) if few else spread
        self._machine: Any = None
        self._fitted = not few and self._fit(before, change)
        self.rank = self.last = 0.0
        if self._fitted:
            self.rank = rank_correlation(after - self._errors, after)
            self.last = rank_correlation(before.level, after)

    def _fit(self, before: Partial, change: Array) -> bool:
        """Fit the regressions; False if they predict held-out changes no better than the mean change does."""
        features = before.features
        self._centre, self._scale = features.mean(axis=0), features.std(axis=0) + 1e-6
        rows = self._standardised(features)
        self._gram = np.linalg.inv(rows.T @ rows + _RIDGE * np.eye(rows.shape[1]))
        centred = change - self._mean
        hat = rows @ self._gram @ rows.T
        leverage = np.minimum(np.diag(hat) + 1 / len(rows), 0.9)
        self._errors = (centred - hat @ centred) / (1 - leverage)
        self._weights = self._gram @ rows.T @ centred
        if self._errors.std() >= self._spread:
            return False
        if len(rows) >= 15:
            from sklearn.svm import SVR

            machine = SVR(C=2.0, epsilon=0.1, gamma=0.3 / rows.shape[1])
            self._machine = machine.fit(rows, centred / self._spread)
        return True

    def __call__(self, before: Partial) -> tuple[Array, Array]:
        """The expected change of the level and its variance, each of shape ``(trials,)``."""
        if not self._fitted:
            return np.full(len(before.level), self._mean), np.full(len(before.level), self._spread**2)
        rows = self._standardised(before.features)
        # Trials unlike those that went on from the rung, the best of their time, are predicted less surely.
        unlike = np.einsum("ij,jk,ik->i", rows, self._gram, rows)
        variance = (float(self._errors.std()) + 1e-3) ** 2 * (1 + np.minimum(unlike, _UNLIKE))
        rows = np.clip(rows, -3, 3)
        change = rows @ self._weights + self._mean
        if self._machine is not None:
            change = 0.5 * change + 0.5 * (self._machine.predict(rows) * self._spread + self._mean)
        return np.clip(change, self._mean - 3 * self._spread, self._mean + 3 * self._spread), variance

    def _standardised(self, features: Array) -> Array:
        scaled: Array = (features - self._centre) / self._scale
        return scaled


class Lift:
    """Predicts the level at a later rung from a curve up to any rung, by steps from rung to rung.

    The rung is the last one that four trials have come to: at first a low one, in the end the last epoch. Until some
    trials have gone on to the next there is nothing to say by how much losses will fall, and trials that differ in how
    far they came compare only at an epoch that all of them are known or predicted at.

    Args:
        rungs: The rungs' epochs, rising, the last epoch of a trial at the end.
        units: Encoded configurations, shape ``(trials, width)``.
        curves: Warped curves, one a trial, each as long as the trial has come.

    Attributes:
        rungs: The rungs' epochs up to the one that levels are predicted at.
        steps: The steps between them.
    """

    def __init__(self, rungs: Sequence[int], units: Array, curves: Sequence[Array]) -> None:
        later = [rung for rung in rungs[1:] if sum(len(curve) >= rung for curve in curves) >= _ENOUGH]
        self.rungs = (rungs[0], *later)
        self.steps = [
            self._step(units, curves, before, after, _UNKNOWN / (1 + place))
            for place, (before, after) in enumerate(pairwise(self.rungs))
        ]

    def _step(self, units: Array, curves: Sequence[Array], before: int, after: int, unknown: float) -> Step:
        there = [index for index, curve in enumerate(curves) if len(curve) >= after][-_MOST:]
        known = np.array([curves[index][:after] for index in there])
        return Step(Partial.at(before, units[there], known), Partial.at(after, units[there], known).level, unknown)

    def last(self, rung: int, units: Array, curves: Array) -> tuple[Array, Array]:
        """Level at the last of the rungs and its variance, each of shape ``(trials,)``, for trials at one rung.

        Args:
            rung: The epoch of any rung; of trials that came further than the last one, the level there is known.
            units: Encoded configurations, shape ``(trials, width)``.
            curves: Warped curves up to the rung, shape ``(trials, rung)``.
        """
        rung = min(rung, self.rungs[-1])
        state = Partial.at(rung, units, curves)
        variance = np.full(len(state.level), _KNOWN)
        for step in self.steps[self.rungs.index(rung) :]:
            change, more = step(state)
            state = Partial(state.units, state.level + change, 0.3 * change)
            variance = variance + more
        return state.level, variance
