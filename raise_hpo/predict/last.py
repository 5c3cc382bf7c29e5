"""No model: a trial will end where it is, or change as others did."""

from __future__ import annotations

from typing import Self

import numpy as np

from raise_hpo.predict.base import Floats, Predictor


class LastValue(Predictor):
    """The last known loss, which every model has to beat."""

    name = "last"

    def fit(self, units: Floats, curves: Floats, finals: Floats) -> Self:
        """Learn how far trials end from their last known loss."""
        self._deviation = float(np.sqrt(np.mean((finals - self.expect(units, curves)) ** 2)))
        return self

    def expect(self, units: Floats, curves: Floats) -> Floats:
        """The last known losses."""
        return curves[:, -1].copy()

    def predict(self, units: Floats, curves: Floats) -> tuple[Floats, Floats]:
        """The last known losses and how far training trials ended from theirs."""
        return self.expect(units, curves), np.full(len(curves), self._deviation)


class Drift(LastValue):
    """The last known loss and its median change: ranks as the last value does, without its bias."""

    name = "drift"

    def fit(self, units: Floats, curves: Floats, finals: Floats) -> Self:
        """Learn the median change and how far trials end from what it predicts."""
        self._change = float(np.median(finals - curves[:, -1]))
        return super().fit(units, curves, finals)

    def expect(self, units: Floats, curves: Floats) -> Floats:
        """The last known losses, changed."""
        expected: Floats = curves[:, -1] + self._change
        return expected
