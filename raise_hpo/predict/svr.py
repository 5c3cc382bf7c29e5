"""Support vector regression of final losses: the talk's predictor."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from raise_hpo.predict.base import Floats, Predictor
from raise_hpo.predict.features import features
from raise_hpo.predict.folds import held_out
from raise_hpo.predict.scale import LossScale, RobustRange, quantile_scale

if TYPE_CHECKING:
    from sklearn.svm import NuSVR

_OWN, _CHANGE = 1 / 3, 2 / 3
_PLACE_WEIGHT = 0.5
_DIFFERENCE_WEIGHT = 0.25
_WIDTH = 0.5


class SVRPredictor(Predictor):
    """Support vector regression on configuration, partial curve and its differences (Baker et al., arXiv:1705.10823).

    Two ν-SVMs with radial kernels share the features: one predicts the final loss, the other its distance from the
    last known loss, which holds where training trials are few or unlike. A third of the one and two thirds of the other
    are the prediction. Features are seen both as robustly scaled values and as places among the training trials', and
    losses on the scale between the two, `LossScale`: values alone give the best squared error but confuse the best
    trials, places alone rank best.

    Args:
        seed: Seed of the folds of cross-validation.
    """

    name = "svr"

    def fit(self, units: Floats, curves: Floats, finals: Floats) -> Self:
        """Learn from trials whose final loss is known."""
        self._training = units, curves, finals
        self._scale = LossScale(_reachable(finals, curves[:, -1]))
        self._view = _View(units, curves)
        rows, levels = self._view(units, curves), self._scale(finals)
        self._own = _machine(rows, levels, 1.0)
        change = levels - self._scale(curves[:, -1])
        self._change = _machine(rows, change, float(change.std()))
        return self

    def expect(self, units: Floats, curves: Floats) -> Floats:
        """Final losses."""
        return self._scale.inverse(self._levels(units, curves))

    def predict(self, units: Floats, curves: Floats) -> tuple[Floats, Floats]:
        """Final losses and their standard deviations."""
        levels = self._levels(units, curves)
        low, high = (self._scale.inverse(levels + sign * self._spread) for sign in (-1, 1))
        return self._scale.inverse(levels), (high - low) / 2

    def _levels(self, units: Floats, curves: Floats) -> Floats:
        rows = self._view(units, curves)
        own, change = np.clip(self._own.predict(rows), 0, 1), self._change.predict(rows)
        levels: Floats = _OWN * own + _CHANGE * np.clip(self._scale(curves[:, -1]) + change, 0, 1)
        return levels

    @cached_property
    def _spread(self) -> float:
        """Standard deviation of held-out errors on the loss scale."""
        expected = held_out(lambda: SVRPredictor(self.seed), *self._training, self.seed)
        errors = self._scale(expected) - self._scale(self._training[2])
        return float(np.sqrt(np.mean(errors**2)))


def _reachable(finals: Floats, last: Floats) -> Floats:
    """Losses that a scale should span: the final ones, and of the last known ones what is not far beyond them."""
    both = np.concatenate([finals, last])
    low, high = np.quantile(both, [0.05, 0.95])
    return np.clip(both, min(finals.min(), low), max(finals.max(), high + (high - low) / 2))


class _View:
    """What the machines see: all features by value; curve and differences also by place, with a smaller weight."""

    def __init__(self, units: Floats, curves: Floats) -> None:
        rows = features(units, curves)
        self._range = RobustRange(rows)
        self._first = units.shape[1]
        self._places = quantile_scale(rows[:, self._first :])
        self._weights = np.full(rows.shape[1] - self._first, _DIFFERENCE_WEIGHT)
        self._weights[: curves.shape[1]] = _PLACE_WEIGHT

    def __call__(self, units: Floats, curves: Floats) -> Floats:
        rows = features(units, curves)
        places = self._places.transform(rows[:, self._first :])
        return np.hstack([self._weights * places, self._range(rows)])


def _machine(rows: Floats, target: Floats, penalty: float) -> NuSVR:
    from sklearn.svm import NuSVR

    gamma = _WIDTH / (rows.shape[1] * max(float(rows.var()), 1e-12))
    return NuSVR(C=max(penalty, 1e-6), gamma=gamma).fit(rows, target)
