"""A Gaussian process over configurations: what their loss will be, and how sure that is."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

Array = NDArray[np.float64]

_SCALES = (0.05, 20.0)
_LARGEST_FIT = 150
"""Rows that the kernel's parameters are fitted on; the process itself takes all rows."""


class _Process(GaussianProcessRegressor):  # type: ignore[misc]
    """scikit-learn's process with priors on its parameters, so that few data cannot say that a dimension is all."""

    def log_marginal_likelihood(
        self, theta: Array | None = None, eval_gradient: bool = False, clone_kernel: bool = True
    ) -> Any:
        """The logarithm of likelihood times prior, up to a constant."""
        found = super().log_marginal_likelihood(theta, eval_gradient, clone_kernel)
        if theta is None:
            return found
        centre, width = _prior(len(theta))
        distance = (theta - centre) / width
        prior = -0.5 * float(distance @ distance)
        if eval_gradient:
            return found[0] + prior, found[1] - distance / width
        return found + prior


def _prior(parameters: int) -> tuple[Array, Array]:
    """Centres and widths of the normal priors on the logarithms of variance, length scales and noise."""
    scales = parameters - 2
    centre = np.array([0.0, *[np.log(0.6)] * scales, np.log(0.02)])
    return centre, np.array([1.0, *[0.8] * scales, 1.5])


class Surface:
    """A Matern-5/2 process with a length scale for each number of the encoding and known noise on each row.

    Args:
        rows: Encoded configurations, shape ``(n, width)``.
        values: Their values, shape ``(n,)``; smaller is better.
        noise: Variances of the values, shape ``(n,)``.
        theta: Parameters of the kernel, as `fitted` gives; a guess if None.
    """

    def __init__(self, rows: Array, values: Array, noise: Array, theta: Array | None = None) -> None:
        self._mean, self._spread = float(values.mean()), float(values.std()) + 1e-9
        kernel = _kernel(rows.shape[1])
        if theta is not None:
            kernel = kernel.clone_with_theta(theta)
        self._process = _Process(kernel, alpha=noise / self._spread**2 + 1e-6, optimizer=None)
        self._process.fit(rows, (values - self._mean) / self._spread)
        self._smooth = self._process.kernel_.k1

    @staticmethod
    def fitted(rows: Array, values: Array, noise: Array, rng: np.random.Generator) -> Array:
        """The kernel's most probable parameters, on the best rows and a part of the others if there are many."""
        if len(rows) > _LARGEST_FIT:
            best, others = np.split(np.argsort(values, kind="stable"), [_LARGEST_FIT * 2 // 5])
            chosen = np.concatenate([best, rng.choice(others, _LARGEST_FIT - len(best), replace=False)])
            rows, values, noise = rows[chosen], values[chosen], noise[chosen]
        spread = float(values.std()) + 1e-9
        process = _Process(_kernel(rows.shape[1]), alpha=noise / spread**2 + 1e-6, optimizer=_few_steps)
        with warnings.catch_warnings():
            # A parameter at its bound is an answer like any other here.
            warnings.simplefilter("ignore", ConvergenceWarning)
            theta: Array = process.fit(rows, (values - values.mean()) / spread).kernel_.theta
        return theta

    def at(self, rows: Array) -> Places:
        """The process at some configurations, shape ``(n, width)``."""
        return Places(self, rows)


class Places:
    """Mean and spread of the process at fixed configurations, also given that others are being tried.

    Attributes:
        mean: Expected values, shape ``(n,)``.
    """

    def __init__(self, surface: Surface, rows: Array) -> None:
        from scipy.linalg import solve_triangular

        self._surface, self._rows = surface, rows
        process = surface._process
        cross = surface._smooth(rows, process.X_train_)
        self.mean: Array = (cross @ process.alpha_) * surface._spread + surface._mean
        self._projected = solve_triangular(process.L_, cross.T, lower=True, check_finite=False)
        self._variance = np.maximum(surface._smooth.diag(rows) - (self._projected**2).sum(axis=0), 1e-10)

    def deviation(self, tried: Places | None = None, noise: float = 0.02) -> Array:
        """Standard deviations, shape ``(n,)``; with `tried`, as they will be when those are measured."""
        variance = self._variance
        if tried is not None:
            covariance = self._covariance(tried)
            own = tried._covariance(tried)
            own[np.diag_indices_from(own)] += noise**2 + 1e-6
            variance = np.maximum(variance - (covariance.T * np.linalg.solve(own, covariance.T)).sum(axis=0), 1e-10)
        deviations: Array = np.sqrt(variance) * self._surface._spread
        return deviations

    def _covariance(self, other: Places) -> Array:
        found: Array = self._surface._smooth(self._rows, other._rows) - self._projected.T @ other._projected
        return found


def log_expected_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """Logarithm of the expected improvement over `best`, accurate far below it too, of any shape."""
    from scipy.special import ndtr

    z = np.maximum((best - mean) / deviation, -30.0)
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    gain = np.where(z > -5, z * ndtr(z) + density, density / (z * z + 1e-9))
    found: Array = np.log(np.maximum(deviation * gain, 1e-300))
    return found


def _kernel(width: int) -> Any:
    return ConstantKernel(1.0, (0.05, 20.0)) * Matern(np.full(width, 0.5), _SCALES, nu=2.5) + WhiteKernel(
        0.05, (1e-4, 2.7)
    )


def _few_steps(objective: Any, start: Array, bounds: Array) -> tuple[Array, float]:
    from scipy.optimize import minimize

    found = minimize(objective, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": 20})
    return found.x, found.fun
