"""What a predictor is, which guesses trials' final losses from their first epochs, and a stopper, which acts on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from raise_hpo.history import Decision, History
from raise_hpo.schedule.base import Need

if TYPE_CHECKING:
    from raise_hpo.curves import CurveTable
    from raise_hpo.space import SearchSpace

Floats = NDArray[np.float64]


class Predictor(ABC):
    """Guesses final losses, smaller being better. All numbers given to it must be finite.

    The same training rows and seed give the same predictor. A predictor is fitted for one number of known epochs, and
    predicts from curves of that length.

    Args:
        seed: Seed of what is random.
    """

    name: str

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    @abstractmethod
    def fit(self, units: Floats, curves: Floats, finals: Floats) -> Self:
        """Learn from trials whose final loss is known.

        Args:
            units: Configurations in the unit cube, shape ``(trials, dimensions)``; there may be no dimension.
            curves: Losses of the known epochs, shape ``(trials, epochs)``, at least one epoch.
            finals: Final losses, shape ``(trials,)``; at least two trials.
        """

    @abstractmethod
    def expect(self, units: Floats, curves: Floats) -> Floats:
        """Final losses, shape ``(trials,)``."""

    @abstractmethod
    def predict(self, units: Floats, curves: Floats) -> tuple[Floats, Floats]:
        """Final losses and their standard deviations, both of shape ``(trials,)``.

        The deviations come from cross-validation on the training trials, which the first call pays for.
        """


@dataclass(frozen=True)
class Guard:
    """Whether a model is trusted to predict one rung from one epoch; the stopper's event ``guarded``.

    Attributes:
        rung: The epoch that is predicted.
        epoch: The last known epoch.
        predictor: The model's name, or ``last`` where it stands aside.
        rank: Rank correlation of the model's held-out predictions with the losses at the rung.
        last: Rank correlation of the last known losses with them.
        curves: Training curves, earlier studies' included.
    """

    rung: int
    epoch: int
    predictor: str
    rank: float
    last: float
    curves: int


@dataclass(frozen=True)
class Judgement:
    """A stopper's answer: a decision to stop, or None, and what its model is worth, if it was asked."""

    decision: Decision | None = None
    guard: Guard | None = None


class Stopper(ABC):
    """Stops trials that will not have what they need at the next rung. A pure function of the study's history.

    Args:
        space: The search space.
        seed: The study's seed.
        max_epochs: The epoch at which a trial is finished.
        earlier: Tables of other studies' learning curves, whose configurations may be of another space.
    """

    def __init__(self, space: SearchSpace, seed: int, max_epochs: int, earlier: Sequence[CurveTable] = ()) -> None:
        self.space = space
        self.seed = seed
        self.max_epochs = max_epochs
        self.earlier = tuple(earlier)

    @abstractmethod
    def judge(self, trial: int, need: Need, history: History) -> Judgement:
        """Judge a trial that has just reported and that the scheduler lets go on.

        Args:
            trial: The trial's number; not that of the default configuration, which trains to the end.
            need: What it has to show at its next rung.
            history: All that happened, the report included.
        """
