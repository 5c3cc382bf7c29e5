"""The numbers that a predictor sees of a trial: its configuration, its first losses, and how these change."""

from __future__ import annotations

import numpy as np

from raise_hpo.predict.base import Floats


def features(units: Floats, curves: Floats) -> Floats:
    """Configuration, partial learning curve, and its first and second differences (Baker et al., arXiv:1705.10823).

    Args:
        units: Configurations in the unit cube, shape ``(trials, dimensions)``.
        curves: Losses of the known epochs, shape ``(trials, epochs)``.

    Returns:
        Shape ``(trials, dimensions + epochs + (epochs - 1) + (epochs - 2))``; a curve of one or two epochs has fewer
        differences.
    """
    first = np.diff(curves, axis=1)
    second = np.diff(first, axis=1)
    return np.hstack([units, curves, first, second])


def known_epochs(share: float, epochs: int) -> int:
    """How many epochs a share of a curve is: at least one, and at least one is left to predict.

    >>> known_epochs(0.25, 100)
    25
    """
    return min(max(1, round(share * epochs)), max(1, epochs - 1))
