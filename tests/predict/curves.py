"""Learning curves that formulas give, in which the first epochs tell more, or less, than the last one of them."""

import numpy as np

from tests.helpers import shared_data


def crossing(count, seed=0, epochs=20):
    """Curves whose speed one dimension decides and whose end another: the quick ones are overtaken, predictably."""
    rng = np.random.default_rng(seed)
    units = rng.random((count, 2))
    epoch = np.arange(1, epochs + 1)
    speed, end = 0.2 + units[:, :1], units[:, 1:]
    curves = end + 3 * np.exp(-speed * epoch) + 0.002 * rng.normal(size=(count, epochs))
    return units, curves


def settled(count, seed=0, epochs=20):
    """Curves that never change places: the last value tells all there is to know."""
    rng = np.random.default_rng(seed)
    units = rng.random((count, 2))
    return units, rng.permutation(count)[:, None] + 1 / np.arange(1, epochs + 1)


def noise(count, seed=0, epochs=20):
    """Losses without any meaning."""
    rng = np.random.default_rng(seed)
    return rng.random((count, 2)), rng.random((count, epochs))


def mlpf_curves():
    """The file of real MLPF trainings; the test is skipped where it is not."""
    return shared_data("mlpf-curves/delphes_trainings_processed.csv")
