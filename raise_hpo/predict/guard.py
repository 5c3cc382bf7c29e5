"""The guard: whether a model predicts better than the last value does, by held-out curves."""

from __future__ import annotations

import numpy as np

from raise_hpo.predict.base import Floats

_RESAMPLES = 200
_SURE = 0.8
_EQUAL = 1e-12


def beats(model: Floats, last: Floats, truth: Floats, seed: int) -> bool:
    """Whether the model ranks better than the last value, and not by chance.

    The three are resampled together, so that what the two predictions share cancels: the model must be ahead in four
    of five resamples. A gain that a few curves carry does not pass, nor does any with few curves.

    Args:
        model: The model's held-out predictions, shape ``(curves,)``.
        last: The last known losses.
        truth: The losses predicted.
        seed: Seed of the resampling.
    """
    drawn = np.random.default_rng([seed, len(truth)]).integers(len(truth), size=(_RESAMPLES, len(truth)))
    gains = _correlations(model[drawn], truth[drawn]) - _correlations(last[drawn], truth[drawn])
    ahead = np.where(gains > _EQUAL, 1.0, np.where(gains > -_EQUAL, 0.5, 0.0))
    return bool(ahead.mean() >= _SURE)


def rank_correlation(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation, equal values sharing their mean rank; 0 where all values are equal."""
    return float(_correlations(one[None], other[None])[0])


def _correlations(one: Floats, other: Floats) -> Floats:
    """Rank correlations row by row."""
    from scipy.stats import rankdata

    ranks = [rankdata(rows, axis=1) for rows in (one, other)]
    first, second = (rows - rows.mean(axis=1, keepdims=True) for rows in ranks)
    size = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    correlations: Floats = (first * second).sum(axis=1) / np.where(size > 0, size, np.inf)
    return correlations
