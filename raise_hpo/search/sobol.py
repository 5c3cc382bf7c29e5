"""A scrambled Sobol sequence over the search space."""

from __future__ import annotations

from raise_hpo.errors import UserError
from raise_hpo.history import Config, History
from raise_hpo.search.base import Searcher

_TRIES = 1000


class SobolSearcher(Searcher):
    """Sobol search: fills the space more evenly than chance (Sobol 1967, scrambled as in Owen 1998; SciPy's ``qmc``).

    Points that a forbidden combination rules out are passed over.
    """

    name = "sobol"

    def suggest(self, trial: int, history: History) -> Config | None:
        """The next allowed point of the sequence.

        Raises:
            UserError: A thousand points in a row were forbidden.
        """
        from scipy.stats import qmc

        sequence = qmc.Sobol(d=len(self.space), scramble=True, rng=self.seed)
        left = self.position(history)
        for _ in range(_TRIES + left):
            config = self.space.from_unit(sequence.random(1)[0])
            if not self.space.contains(config):
                continue
            if left == 0:
                return config
            left -= 1
        raise UserError(f"search space: {_TRIES} Sobol points in a row are forbidden; allow more combinations")
