"""Every combination of the dimensions' values."""

from __future__ import annotations

from collections.abc import Iterator

from raise_hpo.history import Config, History
from raise_hpo.search.base import Searcher
from raise_hpo.space import SearchSpace, config_key


class GridSearcher(Searcher):
    """Grid search, for few discrete dimensions: each combination once, in order; then there is none left.

    One that was tried already, as the default configuration or an earlier study's, is left out.

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
        """The first combination that no trial has."""
        taken = {config_key(each.config) for each in history.trials}
        # Those before this place are taken: each suggestion went at least one further.
        return next(
            (dict(config) for config in self._from(self.position(history)) if config_key(config) not in taken), None
        )

    def _from(self, place: int) -> Iterator[Config]:
        yield from self._made[place:]
        for config in self._left:
            self._made.append(config)
            yield config
