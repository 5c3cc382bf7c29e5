"""Every combination of the dimensions' values."""

from __future__ import annotations

from itertools import islice

from raise_hpo.history import Config, History
from raise_hpo.search.base import Searcher
from raise_hpo.space import SearchSpace


class GridSearcher(Searcher):
    """Grid search, for few discrete dimensions: each combination once, in order; then there is none left.

    Args:
        space: The search space.
        seed: Not used; a grid has no chance in it.
        points: Values of each continuous dimension, spaced evenly on its own (linear or logarithmic) scale.
    """

    name = "grid"

    def __init__(self, space: SearchSpace, seed: int, points: int = 3) -> None:
        super().__init__(space, seed)
        self._left = space.grid(points)
        self._made: list[Config] = []

    def suggest(self, trial: int, history: History) -> Config | None:
        """The first combination that has not been suggested yet."""
        position = self.position(history)
        self._made += islice(self._left, max(position + 1 - len(self._made), 0))
        return dict(self._made[position]) if position < len(self._made) else None
