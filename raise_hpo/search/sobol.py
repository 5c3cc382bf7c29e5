"""A scrambled Sobol sequence over the search space."""

from __future__ import annotations

from typing import Any

from raise_hpo.errors import UserError
from raise_hpo.history import Config, History
from raise_hpo.search.base import Searcher
from raise_hpo.space import SearchSpace

_TRIES = 1000


class SobolSearcher(Searcher):
    """Sobol search: fills the space more evenly than chance (Sobol 1967, scrambled as in Owen 1998; SciPy's ``qmc``).

    Points that a forbidden combination rules out are passed over.
    """

    name = "sobol"

    def __init__(self, space: SearchSpace, seed: int) -> None:
        super().__init__(space, seed)
        self._sequence: Any = None
        self._allowed: list[Config] = []

    def suggest(self, trial: int, history: History) -> Config | None:
        """The next allowed point of the sequence.

        Raises:
            UserError: A thousand points in a row were forbidden.
        """
        position = self.position(history)
        while len(self._allowed) <= position:
            self._allowed.append(self._following())
        return dict(self._allowed[position])

    def _following(self) -> Config:
        """The allowed point after those drawn so far."""
        from scipy.stats import qmc

        if self._sequence is None:
            self._sequence = qmc.Sobol(d=len(self.space), scramble=True, rng=self.seed)
        for _ in range(_TRIES):
            config = self.space.from_unit(self._sequence.random(1)[0])
            if self.space.contains(config):
                return config
        raise UserError(f"search space: {_TRIES} Sobol points in a row are forbidden; allow more combinations")
