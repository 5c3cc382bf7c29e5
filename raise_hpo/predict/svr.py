"""Support vector regression of final losses: the talk's predictor."""

from __future__ import annotations

from typing import Self

import numpy as np

from raise_hpo.predict.base import Floats, Predictor
from raise_hpo.predict.features import features


class SVRPredictor(Predictor):
    """Support vector regression on configuration, partial curve and its differences (Baker et al., arXiv:1705.10823).

    Args:
        seed: Seed of what is random.
    """

    name = "svr"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, units: Floats, curves: Floats, finals: Floats) -> Self:
        """Learn from trials whose final loss is known."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import MinMaxScaler
        from sklearn.svm import NuSVR

        seen = features(units, curves)
        self._low, self._span = finals.min(), np.ptp(finals) or 1.0
        self._machine = make_pipeline(MinMaxScaler(clip=True), NuSVR())
        self._machine.fit(seen, (finals - self._low) / self._span)
        self._deviation = float(np.std(finals - self._raw(seen)))
        return self

    def predict(self, units: Floats, curves: Floats) -> tuple[Floats, Floats]:
        """Final losses and their standard deviations."""
        mean = self._raw(features(units, curves))
        return mean, np.full(len(mean), self._deviation)

    def _raw(self, seen: Floats) -> Floats:
        mean: Floats = self._machine.predict(seen) * self._span + self._low
        return mean
