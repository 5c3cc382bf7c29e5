"""Cross-validation in which the re-trainings of a configuration stay together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from raise_hpo.predict.base import Floats, Predictor

FOLDS = 5


def folds(units: Floats, seed: int, count: int = FOLDS) -> NDArray[np.int64]:
    """The fold of each row, from 0; rows of equal configuration share one.

    Configurations are dealt out in random order, so that with at least `count` of them no fold is empty.
    """
    groups = np.unique(np.round(units, 9), axis=0, return_inverse=True)[1].reshape(-1)
    order = np.random.default_rng(seed).permutation(groups.max() + 1)
    dealt: NDArray[np.int64] = order[groups] % count
    return dealt


def held_out(make: Callable[[], Predictor], units: Floats, curves: Floats, finals: Floats, seed: int) -> Floats:
    """Each row's prediction by a predictor that has not seen its configuration, shape ``(rows,)``.

    Rows whose fold leaves less than two others to learn from are predicted as their last known loss.
    """
    predictions = curves[:, -1].copy()
    fold = folds(units, seed)
    for number in range(FOLDS):
        out = fold == number
        if out.any() and (~out).sum() > 1:
            model = make().fit(units[~out], curves[~out], finals[~out])
            predictions[out] = model.expect(units[out], curves[out])
    return predictions
