"""Support vector regression as quadratic unconstrained binary optimization (QUBO), after Pasetto et al. 2022."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from raise_hpo.predict.base import Floats

if TYPE_CHECKING:
    from dimod import BinaryQuadraticModel


class SVRQubo:
    r"""The dual problem of support vector regression over bits (Pasetto et al., doi:10.1109/LGRS.2022.3200325).

    With :math:`\beta = \alpha - \hat\alpha` the energy of a state is

    .. math:: \tfrac12 \beta^T K \beta + \epsilon \sum_n (\alpha_n + \hat\alpha_n) - y^T \beta
              + \xi \bigl(\sum_n \beta_n\bigr)^2,

    the last term standing in for the constraint that :math:`\beta` sums to nothing. Each of the multipliers is
    :math:`\sum_k 2^{-k} b_k` over `bits` bits, so that the box ends just below 2. A state holds the bits of
    :math:`\alpha`, point by point, then those of :math:`\hat\alpha`.

    Args:
        kernel: Kernel matrix of the training points, shape ``(points, points)``.
        targets: Their targets, shape ``(points,)``.
        bits: Bits of a multiplier.
        epsilon: Half the width of the tube in which errors cost nothing.
        penalty: The constraint's weight.
    """

    def __init__(
        self, kernel: Floats, targets: Floats, bits: int = 3, epsilon: float = 0.02, penalty: float = 0.01
    ) -> None:
        points = len(targets)
        weights = np.kron(np.eye(points), 0.5 ** np.arange(bits))
        self._signed = np.hstack([weights, -weights])
        unsigned = np.hstack([weights, weights])
        linear = epsilon * unsigned.sum(axis=0) - targets @ self._signed
        quadratic = self._signed.T @ (kernel / 2 + penalty) @ self._signed
        self.matrix: Floats = quadratic + np.diag(linear)

    def energy(self, states: Floats) -> Floats:
        """Energies of states, given as rows of bits."""
        energies: Floats = np.einsum("ij,jk,ik->i", states, self.matrix, states)
        return energies

    def coefficients(self, states: Floats) -> Floats:
        r"""The coefficients :math:`\beta` of states, shape ``(states, points)``."""
        coefficients: Floats = states @ self._signed.T
        return coefficients

    def model(self) -> BinaryQuadraticModel:
        """The problem as every sampler of D-Wave's takes it, its variables numbered from 0."""
        import dimod

        return dimod.BinaryQuadraticModel(self.matrix, "BINARY")

    def sample(self, sampler: Any, **options: Any) -> Floats:
        """Distinct states that a sampler finds, the lowest energy first."""
        found = sampler.sample(self.model(), **options)
        in_order = np.argsort([int(variable) for variable in found.variables])
        states = np.unique(found.record.sample[:, in_order].astype(float), axis=0)
        return states[np.argsort(self.energy(states), kind="stable")]
