"""Small support vector machines that predict together, each trained on a few trials: annealed or classical."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from raise_hpo.predict.base import Floats
from raise_hpo.predict.qubo import SVRQubo
from raise_hpo.predict.samplers import SamplerName, make_sampler
from raise_hpo.predict.scaled import ScaledPredictor, kernel_width

Machine = Callable[[Floats], Floats]

_LAST = 2 / 3
_EPSILON = 0.02
_BITS = 3
_STATES = 4


class Committee(ScaledPredictor):
    """Machines of `points` trials each, weighted by how well each predicts the trials of the others (their R²).

    They predict how far a trial ends from two thirds of its last level, a mean between predicting the end and
    predicting the change.

    Args:
        seed: Seed of who learns from which trials.
        machines: Machines at most.
        points: Trials that a machine learns from.
    """

    _most_epochs = 13

    def __init__(self, seed: int = 0, machines: int = 4, points: int = 20) -> None:
        super().__init__(seed)
        self.machines = machines
        self.points = points

    @abstractmethod
    def _machine(self, rows: Floats, target: Floats, width: float, number: int) -> Machine:
        """Train machine `number` with a radial kernel of that width."""

    def _learn(self, rows: Floats, levels: Floats, last: Floats) -> None:
        from sklearn.metrics import r2_score

        target, width = levels - _LAST * last, kernel_width(rows)
        order = np.random.default_rng(self.seed).permutation(len(rows))
        self._committee: list[Machine] = []
        weights = []
        for number, start in enumerate(range(0, min(len(rows), self.machines * self.points), self.points)):
            own = order[start : start + self.points]
            others = np.setdiff1d(order, own)
            machine = self._machine(rows[own], target[own], width, number)
            right = r2_score(target[others], machine(rows[others])) if len(others) > 1 else 1.0
            self._committee.append(machine)
            weights.append(max(0.0, right) + 1e-6)
        self._weights = np.array(weights) / sum(weights)

    def _guess(self, rows: Floats, last: Floats) -> Floats:
        votes = np.array([machine(rows) for machine in self._committee])
        levels: Floats = np.clip(self._weights @ votes + _LAST * last, 0, 1)
        return levels


class ClassicalCommittee(Committee):
    """The committee of ordinary support vector machines: what the annealed ones are compared with."""

    name = "svr-committee"

    def _machine(self, rows: Floats, target: Floats, width: float, number: int) -> Machine:
        from sklearn.svm import SVR

        machine: Machine = SVR(C=2 - 0.5 ** (_BITS - 1), epsilon=_EPSILON, gamma=width).fit(rows, target).predict
        return machine

    def _unfitted(self) -> ClassicalCommittee:
        return ClassicalCommittee(self.seed, self.machines, self.points)


class QSVRPredictor(Committee):
    """A committee of support vector machines trained by annealing (Pasetto et al., doi:10.1109/LGRS.2022.3200325).

    An annealer of today holds about 20 training points, hence the committee. Each machine is the mean of the best
    solutions that the sampler returns, weighted by their fit to the training points.

    Args:
        seed: Seed of the annealing, and of who learns from which trials.
        machines: Machines at most.
        points: Trials that a machine learns from.
        sampler: ``simulated_annealing`` or ``dwave``; the latter's answers differ from call to call.

    Raises:
        UserError: ``dwave`` is asked for, and its extra is not installed or D-Wave's service cannot be reached.
    """

    name = "qsvr"

    def __init__(
        self, seed: int = 0, machines: int = 4, points: int = 20, sampler: SamplerName = "simulated_annealing"
    ) -> None:
        super().__init__(seed, machines, points)
        self.sampler = sampler
        make_sampler(sampler, seed)

    def _machine(self, rows: Floats, target: Floats, width: float, number: int) -> Machine:
        kernel = _radial(rows, rows, width)
        qubo = SVRQubo(kernel, target, _BITS, _EPSILON)
        sampler, options = make_sampler(self.sampler, 100 * self.seed + number)
        coefficients = qubo.coefficients(qubo.sample(sampler, **options)[:_STATES])
        fitted = coefficients @ kernel
        offsets = np.array([_offset(*pair, target) for pair in zip(coefficients, fitted, strict=True)])
        errors = np.mean((fitted + offsets[:, None] - target) ** 2, axis=1) + 1e-6
        weights = (1 / errors) / (1 / errors).sum()
        together, offset = weights @ coefficients, float(weights @ offsets)
        return lambda seen: _radial(seen, rows, width) @ together + offset

    def _unfitted(self) -> QSVRPredictor:
        return QSVRPredictor(self.seed, self.machines, self.points, self.sampler)


def _radial(one: Floats, other: Floats, width: float) -> Floats:
    squares = np.sum(one**2, axis=1)[:, None] + np.sum(other**2, axis=1) - 2 * one @ other.T
    kernel: Floats = np.exp(-width * np.maximum(squares, 0))
    return kernel


def _offset(coefficients: Floats, fitted: Floats, target: Floats) -> float:
    """The constant that puts the support vectors on the tube's edge; without any, the mean of what is missing."""
    missing = target - fitted
    support = coefficients != 0
    edge = missing - _EPSILON * np.sign(coefficients)
    return float(edge[support].mean() if support.any() else missing.mean())
