from typing import Any

import pytest

from raise_hpo.search import SEARCHERS, Searcher, make_searcher
from raise_hpo.space import SearchSpace
from raise_hpo.testing import SearcherContract
from raise_hpo.testing.searchers import SPACES

# Few random configurations first, so that the models are at work in most of the suggestions.
FEW = {"startup_trials": 4}
OPTIONS: dict[str, dict[str, Any]] = {
    "tpe": FEW,
    "gp": FEW,
    "curve": FEW,
    "hyperopt": FEW,
    "cmaes": {"population": 4},
    "evolution": {"population": 6, "offspring": 2},
}
CASES = {name: (name, OPTIONS.get(name, {})) for name in SEARCHERS}
CASES["anneal"] = ("hyperopt", {"algorithm": "anneal"})
# A Gaussian process is fitted anew for each suggestion.
TRIALS = {"gp": 6, "curve": 10}


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("case", CASES)
class TestSearchers(SearcherContract):
    @pytest.fixture(autouse=True)
    def _of_case(self, case: str, kind: str) -> None:
        (self.name, self.options), self.kind = CASES[case], kind
        self.trials = TRIALS.get(case, SearcherContract.trials)

    def make(self, space: SearchSpace, seed: int) -> Searcher:
        return make_searcher(self.name, space, seed, **self.options)
