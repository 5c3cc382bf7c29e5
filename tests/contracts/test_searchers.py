import pytest

from raise_hpo.search import SEARCHERS, Searcher, make_searcher
from raise_hpo.space import SearchSpace
from raise_hpo.testing import SearcherContract
from raise_hpo.testing.searchers import SPACES

# Few random configurations first, so that the models are at work in most of the suggestions.
OPTIONS = {"tpe": {"startup_trials": 4}, "gp": {"startup_trials": 4}, "cmaes": {"population": 4}}
# A Gaussian process is fitted anew for each suggestion.
TRIALS = {"gp": 7}


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("name", SEARCHERS)
class TestSearchers(SearcherContract):
    @pytest.fixture(autouse=True)
    def _of_name(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind
        self.trials = TRIALS.get(name, SearcherContract.trials)

    def make(self, space: SearchSpace, seed: int) -> Searcher:
        return make_searcher(self.name, space, seed, **OPTIONS.get(self.name, {}))
