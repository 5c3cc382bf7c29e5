"""Independent draws from the search space."""

from __future__ import annotations

from raise_hpo.history import Config, History
from raise_hpo.search.base import Searcher


class RandomSearcher(Searcher):
    """Random search: the baseline that any model must beat (Bergstra & Bengio, JMLR 13, 2012)."""

    name = "random"

    def suggest(self, trial: int, history: History) -> Config | None:
        """A draw from each dimension's own distribution; `history` is not looked at."""
        return self.space.sample(self.rng(trial))
