"""A kernel density estimate over numbers and categories together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class KernelDensity:
    """Product-kernel density, as in Li & Racine, *Nonparametric Econometrics* (2007), and in statsmodels.

    With one kernel a dimension and a point ``x_i`` of the data, ``p(x) = mean_i prod_d k_d(x_d, x_id)``. Numbers have a
    Gaussian kernel. Categories have that of Aitchison & Aitken (1976): ``1 - h`` for the same of ``c`` categories and
    ``h / (c - 1)`` for each other. Bandwidths follow the normal reference rule, ``h = 1.06 std n^(-1/(4 + d))``.

    Args:
        data: Numbers in the unit interval and categories' numbers, shape (n, d).
        levels: The number of categories of each dimension, 0 for numbers; shape (d,).
        min_bandwidth: Lower limit of the bandwidths. Those of categories are at most ``(c - 1) / c``, where the kernel
            is flat.
    """

    def __init__(self, data: Array, levels: NDArray[np.int64], min_bandwidth: float) -> None:
        self.data = data
        self.levels = levels
        count, dimensions = data.shape
        rule = 1.06 * data.std(axis=0) * count ** (-1 / (4 + dimensions))
        flat = np.where(levels > 0, (levels - 1) / np.maximum(levels, 1), np.inf)
        self.bandwidths: Array = np.minimum(np.maximum(rule, min_bandwidth), flat)

    def pdf(self, points: Array) -> Array:
        """The density at points of shape (m, d); shape (m,)."""
        product = np.ones((len(points), len(self.data)))
        for dimension, (width, levels) in enumerate(zip(self.bandwidths, self.levels, strict=True)):
            at, known = points[:, dimension, None], self.data[None, :, dimension]
            if levels:
                product *= np.where(at == known, 1 - width, width / max(levels - 1, 1))
            else:
                product *= np.exp(-0.5 * ((at - known) / width) ** 2) / (np.sqrt(2 * np.pi) * width)
        density: Array = product.mean(axis=1)
        return density

    def draw(self, count: int, factor: float, rng: np.random.Generator) -> Array:
        """Draw points around random points of the data, shape (count, d).

        Numbers come from a normal distribution cut off at 0 and 1, with `factor` times the bandwidth; a category is
        kept with probability ``1 - h`` and else any.
        """
        drawn = self.data[rng.integers(len(self.data), size=count)]
        for dimension, (width, levels) in enumerate(zip(self.bandwidths, self.levels, strict=True)):
            if levels:
                other = rng.random(count) >= 1 - width
                drawn[other, dimension] = rng.integers(levels, size=int(other.sum()))
            else:
                drawn[:, dimension] = _cut_normal(drawn[:, dimension], factor * width, rng)
        return drawn


def _cut_normal(means: Array, deviation: float, rng: np.random.Generator) -> Array:
    """One number in [0, 1] for each mean."""
    from scipy.stats import truncnorm

    numbers: Array = truncnorm.rvs(
        -means / deviation, (1 - means) / deviation, loc=means, scale=deviation, random_state=rng
    )
    return np.clip(numbers, 0.0, 1.0)
