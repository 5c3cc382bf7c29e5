"""Support vector regression of final losses: the talk's predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from raise_hpo.predict.base import Floats
from raise_hpo.predict.scaled import ScaledPredictor, kernel_width

if TYPE_CHECKING:
    from sklearn.svm import NuSVR

_OWN, _CHANGE = 1 / 3, 2 / 3


class SVRPredictor(ScaledPredictor):
    """Support vector regression on configuration, partial curve and its differences (Baker et al., arXiv:1705.10823).

    Two nu-SVMs with radial kernels share the features: one predicts the final loss, the other its distance from the
    last known loss, which holds where training trials are few or unlike. A third of the one and two thirds of the other
    are the prediction. Features are seen both as robustly scaled values and as places among the training trials', and
    losses on the scale between the two, `LossScale`: values alone give the best squared error but confuse the best
    trials, places alone rank best.

    Args:
        seed: Seed of the folds of cross-validation.
    """

    name = "svr"

    def _learn(self, rows: Floats, levels: Floats, last: Floats) -> None:
        self._own = _machine(rows, levels, 1.0)
        self._change = _machine(rows, levels - last, float(np.std(levels - last)))

    def _guess(self, rows: Floats, last: Floats) -> Floats:
        own = np.clip(self._own.predict(rows), 0, 1)
        changed = np.clip(last + self._change.predict(rows), 0, 1)
        levels: Floats = _OWN * own + _CHANGE * changed
        return levels

    def _unfitted(self) -> SVRPredictor:
        return SVRPredictor(self.seed)


def _machine(rows: Floats, target: Floats, penalty: float) -> NuSVR:
    from sklearn.svm import NuSVR

    return NuSVR(C=max(penalty, 1e-6), gamma=kernel_width(rows)).fit(rows, target)
