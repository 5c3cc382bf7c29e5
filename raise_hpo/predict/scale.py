"""Scales on which support vector machines see features and losses: fitted on training rows alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from raise_hpo.predict.base import Floats

if TYPE_CHECKING:
    from sklearn.preprocessing import QuantileTransformer

_QUANTILES = 50
_TAIL = 0.1
_REACH = 2.0
_GRID = 400


def quantile_scale(rows: Floats) -> QuantileTransformer:
    """Scikit-learn's quantile scaling of each column to [0, 1], fitted."""
    from sklearn.preprocessing import QuantileTransformer

    return QuantileTransformer(n_quantiles=min(_QUANTILES, len(rows))).fit(rows)


class RobustRange:
    """Each column to [0, 1], its far outliers cut off, so that a diverged trial does not squeeze all the others.

    The range is that of the rows, but reaches at most twice the distance of the outer deciles beyond these.
    """

    def __init__(self, rows: Floats) -> None:
        low, high = np.quantile(rows, [_TAIL, 1 - _TAIL], axis=0)
        reach = _REACH * (high - low)
        self._low = np.maximum(rows.min(axis=0), low - reach)
        self._high = np.minimum(rows.max(axis=0), high + reach)

    def __call__(self, rows: Floats) -> Floats:
        """Rows of the same columns, scaled."""
        width = np.maximum(self._high - self._low, 1e-12)
        scaled: Floats = (np.clip(rows, self._low, self._high) - self._low) / width
        return scaled


class LossScale:
    """Losses on a scale from 0 to 1 that is half their place among others and half their value.

    By place the many good trials, which differ little, are told apart; by value the few bad ones are not mistaken for
    each other's neighbours. The scale can be inverted.

    Args:
        losses: Losses of training trials, shape ``(any,)``.
    """

    def __init__(self, losses: Floats) -> None:
        self._places = quantile_scale(losses[:, None])
        self._low, self._high = float(losses.min()), float(losses.max())
        quantiles = self._places.quantiles_[:, 0]
        self._grid = np.unique(np.concatenate([quantiles, np.linspace(self._low, self._high, _GRID)]))
        self._levels = self(self._grid)

    def __call__(self, losses: Floats) -> Floats:
        """The levels of losses."""
        places = self._places.transform(losses[:, None])[:, 0]
        width = max(self._high - self._low, 1e-12)
        levels: Floats = 0.5 * places + 0.5 * np.clip((losses - self._low) / width, 0, 1)
        return levels

    def inverse(self, levels: Floats) -> Floats:
        """The losses at levels; levels beyond the ends are those of the ends."""
        losses: Floats = np.interp(levels, self._levels, self._grid)
        return losses
