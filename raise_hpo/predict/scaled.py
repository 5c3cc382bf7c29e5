"""What the support vector predictors share: the scales they work on, and deviations from held-out errors."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Self

import numpy as np

from raise_hpo.predict.base import Floats, Predictor
from raise_hpo.predict.features import features
from raise_hpo.predict.folds import held_out
from raise_hpo.predict.scale import LossScale, RobustRange, quantile_scale

_PLACE_WEIGHT = 0.5
_DIFFERENCE_WEIGHT = 0.25


class ScaledPredictor(Predictor):
    """Learns levels on a `LossScale` from rows of a `View`. Subclasses learn and guess the levels."""

    _most_epochs: int | None = None
    """Evenly spaced epochs of the curve that are looked at; None for all."""

    def fit(self, units: Floats, curves: Floats, finals: Floats) -> Self:
        """Learn from trials whose final loss is known."""
        self._training = units, curves, finals
        self._scale = LossScale(_reachable(finals, curves[:, -1]))
        self._view = View(units, self._thinned(curves))
        self._learn(self._rows(units, curves), self._scale(finals), self._scale(curves[:, -1]))
        return self

    def expect(self, units: Floats, curves: Floats) -> Floats:
        """Final losses."""
        return self._scale.inverse(self._guess(self._rows(units, curves), self._scale(curves[:, -1])))

    def predict(self, units: Floats, curves: Floats) -> tuple[Floats, Floats]:
        """Final losses and their standard deviations."""
        levels = self._guess(self._rows(units, curves), self._scale(curves[:, -1]))
        low, high = (self._scale.inverse(levels + sign * self._spread) for sign in (-1, 1))
        return self._scale.inverse(levels), (high - low) / 2

    @abstractmethod
    def _learn(self, rows: Floats, levels: Floats, last: Floats) -> None:
        """Learn from rows, the levels of the final losses and those of the last known losses."""

    @abstractmethod
    def _guess(self, rows: Floats, last: Floats) -> Floats:
        """The levels of final losses, given those of the last known losses."""

    @abstractmethod
    def _unfitted(self) -> Predictor:
        """Another one with the same options."""

    @cached_property
    def _spread(self) -> float:
        """Root mean square of held-out errors on the loss scale."""
        expected = held_out(self._unfitted, *self._training, self.seed)
        errors = self._scale(expected) - self._scale(self._training[2])
        return float(np.sqrt(np.mean(errors**2)))

    def _rows(self, units: Floats, curves: Floats) -> Floats:
        return self._view(units, self._thinned(curves))

    def _thinned(self, curves: Floats) -> Floats:
        known = curves.shape[1]
        if self._most_epochs is None or known <= self._most_epochs:
            return curves
        return curves[:, np.linspace(0, known - 1, self._most_epochs).round().astype(int)]


class View:
    """What a machine sees: all features by value; curve and differences also by place, with a smaller weight."""

    def __init__(self, units: Floats, curves: Floats) -> None:
        rows = features(units, curves)
        self._range = RobustRange(rows)
        self._first = units.shape[1]
        self._places = quantile_scale(rows[:, self._first :])
        self._weights = np.full(rows.shape[1] - self._first, _DIFFERENCE_WEIGHT)
        self._weights[: curves.shape[1]] = _PLACE_WEIGHT

    def __call__(self, units: Floats, curves: Floats) -> Floats:
        """The rows, shape ``(trials, columns)``."""
        rows = features(units, curves)
        places = self._places.transform(rows[:, self._first :])
        return np.hstack([self._weights * places, self._range(rows)])


def kernel_width(rows: Floats) -> float:
    """Factor of the squared distance in a radial kernel that suits the rows."""
    return 0.5 / float(rows.shape[1] * max(rows.var(), 1e-12))


def _reachable(finals: Floats, last: Floats) -> Floats:
    """Losses that a scale should span: the final ones, and of the last known ones what is not far beyond them."""
    both = np.concatenate([finals, last])
    low, high = np.quantile(both, [0.05, 0.95])
    reachable: Floats = np.clip(both, min(finals.min(), low), max(finals.max(), high + (high - low) / 2))
    return reachable
