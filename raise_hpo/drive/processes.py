"""Gaussian processes whose means are quick to ask for: kernels fitted by scikit-learn, evaluated here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ROWS_FOR_SCALES = 150


class Processes:
    """Gaussian processes over the same rows, one a column of their values, with a Matérn-5/2 kernel each."""

    def __init__(self, scales: Array, noise: Array, x: Array, y: Array) -> None:
        self.scales, self.noise = scales, noise
        self._mean, self._size = y.mean(axis=0), y.std(axis=0) + 1e-12
        self._x = x / scales[:, None, :]
        self._squares = (self._x**2).sum(axis=2)
        target = ((y - self._mean) / self._size).T
        eye = np.eye(len(x))
        self._alphas = np.stack(
            [
                np.linalg.solve(_matern(rows, rows, squares) + (noise + 1e-8) * eye, values)
                for rows, squares, noise, values in zip(self._x, self._squares, self.noise, target, strict=True)
            ]
        )

    @classmethod
    def fitted(cls, x: Array, y: Array) -> Processes:
        """Length scales and noise by maximum likelihood on a part of the rows, then conditioned on all of them."""
        part = np.random.default_rng(0).permutation(len(x))[:_ROWS_FOR_SCALES]
        scales, noise = zip(*[_scales_and_noise(x[part], column[part]) for column in y.T], strict=True)
        return cls(np.array(scales), np.array(noise), x, y)

    def conditioned_on(self, x: Array, y: Array) -> Processes:
        """The same kernels over other rows."""
        return Processes(self.scales, self.noise, x, y)

    def predict(self, x: Array) -> Array:
        """The posterior means, shape ``(rows, processes)``."""
        parts = zip(self.scales, self._x, self._squares, self._alphas, strict=True)
        means = [_matern(x / scales, rows, squares) @ alphas for scales, rows, squares, alphas in parts]
        return np.asarray(np.stack(means, axis=1) * self._size + self._mean)


def _matern(a: Array, b: Array, b_squares: Array) -> Array:
    """The Matérn-5/2 kernel of unit variance between scaled rows."""
    squares = (a**2).sum(axis=1)[:, None] + b_squares[None] - 2 * a @ b.T
    distance = np.sqrt(5 * np.maximum(squares, 0.0))
    return np.asarray((1 + distance + distance**2 / 3) * np.exp(-distance))


def _scales_and_noise(x: Array, y: Array) -> tuple[Array, float]:
    """Length scales, one a column, and the noise's variance as a share of the signal's."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    shape = Matern(np.full(x.shape[1], 0.5), (0.05, 20.0), nu=2.5)
    kernel = ConstantKernel(1.0, (0.05, 20.0)) * shape + WhiteKernel(0.05, (1e-4, 2.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = GaussianProcessRegressor(kernel, normalize_y=True).fit(x, y).kernel_
    scales = np.broadcast_to(fitted.k1.k2.length_scale, x.shape[1])
    return np.array(scales), float(fitted.k2.noise_level / fitted.k1.k1.constant_value)
