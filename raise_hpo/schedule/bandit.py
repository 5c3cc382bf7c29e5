"""A Gaussian process over configurations and time, and its upper confidence bound: the model behind PB2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LENGTHS = (0.1, 0.2, 0.4, 0.8, 1.6)
_NOISES = (0.01, 0.1, 0.5)
_FORGETTING = (0.01, 0.05, 0.2)
_CANDIDATES = 500
_ROUNDS = 4
_NEAR = 100


@dataclass(frozen=True)
class Kernel:
    """``exp(-|x - x'|^2 / (2 length^2)) * (1 - forgetting)^(|t - t'| / 2)``, for values with variance 1.

    Attributes:
        length: How far apart, in the unit cube, configurations tell of one another.
        forgetting: How much is forgotten from one interval to the next, between 0 and 1.
        noise: The variance of a measurement.
    """

    length: float
    forgetting: float
    noise: float

    def __call__(self, points: Array, times: Array, others: Array, other_times: Array) -> Array:
        """Covariances between points of shape ``(n, d)`` and ``(m, d)``, shape ``(n, m)``."""
        apart = np.square(points[:, None, :] - others[None, :, :]).sum(axis=2)
        since = np.abs(times[:, None] - other_times[None, :])
        return np.asarray(np.exp(-apart / (2 * self.length**2)) * (1 - self.forgetting) ** (since / 2))


class TimeVaryingProcess:
    """The time-varying Gaussian process of Bogunovic et al. (arXiv:1601.06650), as PB2 uses it.

    Its kernel's numbers are those of a small grid under which the measurements are most likely.

    Args:
        points: Where was measured, in the unit cube, shape ``(n, d)``.
        times: When, in intervals, shape ``(n,)``.
        values: What was measured, shape ``(n,)``.
    """

    def __init__(self, points: Array, times: Array, values: Array) -> None:
        self.points = points
        self.times = times
        self.mean = float(values.mean())
        self.scale = float(values.std()) or 1.0
        self.values = (values - self.mean) / self.scale
        grid = [Kernel(*numbers) for numbers in product(_LENGTHS, _FORGETTING, _NOISES)]
        self.kernel = max(grid, key=self._likelihood)

    def _likelihood(self, kernel: Kernel) -> float:
        """The logarithm of the marginal likelihood, but for a constant."""
        factor = np.linalg.cholesky(_measured(kernel, self.points, self.times))
        whitened = np.linalg.solve(factor, self.values)
        return float(-0.5 * whitened @ whitened - np.log(np.diag(factor)).sum())

    def bound(self, pending: Array, pending_times: Array, time: float, breadth: float) -> Callable[[Array], Array]:
        """The upper confidence bound of the next values, a function of points of shape ``(n, d)``, in units of `scale`.

        Configurations that are being tried count for the uncertainty, though their values are not known, so that
        several heirs in a row do not all try the same.

        Args:
            pending: The points that are being tried, shape ``(m, d)``.
            pending_times: When they will be measured, shape ``(m,)``.
            time: When the next value will be measured.
            breadth: How many standard deviations above the mean the bound is.
        """
        known = np.linalg.inv(_measured(self.kernel, self.points, self.times))
        every, every_time = np.vstack([self.points, pending]), np.concatenate([self.times, pending_times])
        tried = np.linalg.inv(_measured(self.kernel, every, every_time))

        def upper(at: Array) -> Array:
            now = np.full(len(at), time)
            mean = self.kernel(at, now, self.points, self.times) @ known @ self.values
            near = self.kernel(at, now, every, every_time)
            variance = 1.0 - np.einsum("ij,jk,ik->i", near, tried, near)
            return np.asarray(mean + breadth * np.sqrt(np.clip(variance, 0.0, None)))

        return upper


def _measured(kernel: Kernel, points: Array, times: Array) -> Array:
    return kernel(points, times, points, times) + kernel.noise * np.eye(len(points))


def breadth(count: int) -> float:
    """How many standard deviations the bound is above the mean after so many measurements.

    The square root of ``0.2 + max(0, log(0.4 n))``: grows with the logarithm, as the paper's regret bound asks.
    """
    return float(np.sqrt(0.2 + max(0.0, np.log(0.4 * count))))


def best_points(function: Callable[[Array], Array], dimensions: int, rng: np.random.Generator) -> Array:
    """Points of the unit cube in the order of a function's values, the largest first; shape ``(n, dimensions)``.

    The best of random points, then ever closer around the best so far.
    """
    points = rng.random((_CANDIDATES, dimensions))
    values = function(points)
    for step in range(_ROUNDS):
        best = points[int(np.argmax(values))]
        near = np.clip(best + rng.normal(0.0, 0.1 / 4**step, (_NEAR, dimensions)), 0.0, 1.0)
        points, values = np.vstack([points, near]), np.concatenate([values, function(near)])
    return np.asarray(points[np.argsort(-values, kind="stable")])
