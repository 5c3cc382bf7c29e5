"""Given configurations, each several times: what `raise-hpo repeat` runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raise_hpo.history import Config, History
from raise_hpo.search.base import Searcher
from raise_hpo.space import SearchSpace


class RepeatSearcher(Searcher):
    """Suggests given configurations in turn; trials differ in their random numbers, as always, by their own number.

    In turn, so that a study that is broken off has repeated all of them about equally often.

    Args:
        space: The search space, inside which the configurations are.
        seed: Not used.
        configurations: What to repeat: mappings with a ``label`` and a ``config``.
        seeds: How often each is trained.
    """

    name = "repeat"

    def __init__(
        self, space: SearchSpace, seed: int, configurations: Sequence[Mapping[str, Any]] = (), seeds: int = 10
    ) -> None:
        super().__init__(space, seed)
        self._configurations = configurations
        self._seeds = seeds

    def suggest(self, trial: int, history: History) -> Config | None:
        """The configuration whose turn it is."""
        position = self.position(history)
        if position >= len(self._configurations) * self._seeds:
            return None
        return dict(self._configurations[position % len(self._configurations)]["config"])
