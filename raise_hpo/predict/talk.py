"""The talk's own model, to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from raise_hpo.predict.base import Floats, Predictor
from raise_hpo.predict.scale import quantile_scale

if TYPE_CHECKING:
    from sklearn.preprocessing import FunctionTransformer, QuantileTransformer


class TalkSVR(Predictor):
    """Support vector regression on every second known loss, everything quantile-scaled, with the talk's constants.

    The constants are those published with the talk's learning curves; it sees neither configuration nor differences.

    Args:
        seed: Not used.
        scaled: Whether losses are given as quantiles already, as in the talk's protocol.
    """

    name = "talk-svr"

    def __init__(self, seed: int = 0, scaled: bool = False) -> None:
        super().__init__(seed)
        self.scaled = scaled

    def fit(self, units: Floats, curves: Floats, finals: Floats) -> Self:
        """Learn from trials whose final loss is known."""
        from sklearn.svm import SVR

        self._seen, self._finals = self._scale(curves[:, ::2]), self._scale(finals[:, None])
        target = self._finals.transform(finals[:, None])[:, 0]
        self._machine = SVR(C=67.61, epsilon=0.02, gamma=0.1).fit(self._seen.transform(curves[:, ::2]), target)
        self._deviation = float(np.sqrt(np.mean((self.expect(units, curves) - finals) ** 2)))
        return self

    def expect(self, units: Floats, curves: Floats) -> Floats:
        """Final losses."""
        places = self._machine.predict(self._seen.transform(curves[:, ::2]))
        finals: Floats = self._finals.inverse_transform(np.clip(places, 0, 1)[:, None])[:, 0]
        return finals

    def _scale(self, rows: Floats) -> QuantileTransformer | FunctionTransformer:
        from sklearn.preprocessing import FunctionTransformer

        return FunctionTransformer() if self.scaled else quantile_scale(rows)

    def predict(self, units: Floats, curves: Floats) -> tuple[Floats, Floats]:
        """Final losses, and the root mean square of errors on the training trials, which is too small."""
        return self.expect(units, curves), np.full(len(curves), self._deviation)
