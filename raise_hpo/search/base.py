"""What a searcher is: an object that proposes the configuration of a study's next trial."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from raise_hpo.history import Config, History
from raise_hpo.space import SearchSpace

_TRIES = 100


class Searcher(ABC):
    """Proposes configurations. A proposal depends on the study's seed, the trial's number and the history alone.

    That is what makes a study resumable from its journal alone: a searcher keeps no state that counts.

    Args:
        space: The search space to propose from.
        seed: The study's seed.

    Attributes:
        rungs: The epochs at which the study's scheduler decides, if it has any; the core fills them in.
    """

    name: str
    rungs: tuple[int, ...] = ()

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self.space = space
        self.seed = seed

    @abstractmethod
    def suggest(self, trial: int, history: History) -> Config | None:
        """The configuration of trial number `trial`, flat and inside the space, or None if there is none left."""

    def rng(self, trial: int) -> np.random.Generator:
        """The random numbers of one trial's suggestion."""
        return np.random.default_rng([self.seed, trial])

    def allowed(self, trial: int, propose: Callable[[], Config], tries: int = _TRIES) -> Config:
        """The first proposal that no forbidden combination rules out; after so many tries a random configuration."""
        for _ in range(tries):
            config = propose()
            if not self.space.is_forbidden(config):
                return config
        return self.space.sample(self.rng(trial))

    def position(self, history: History) -> int:
        """How many configurations this searcher has suggested so far; the place in a fixed sequence."""
        return sum(trial.source == self.name for trial in history.trials)
