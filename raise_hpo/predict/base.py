"""What a predictor is: an object that guesses trials' final losses from their configurations and first epochs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import numpy as np
from numpy.typing import NDArray

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
