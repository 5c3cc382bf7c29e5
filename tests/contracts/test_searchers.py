import pytest

from raise_hpo.search import SEARCHERS, Searcher, make_searcher
from raise_hpo.space import SearchSpace
from raise_hpo.testing import SearcherContract


@pytest.mark.parametrize("name", SEARCHERS)
class TestSearchers(SearcherContract):
    @pytest.fixture(autouse=True)
    def _of_name(self, name: str) -> None:
        self.name = name

    def make(self, space: SearchSpace, seed: int) -> Searcher:
        return make_searcher(self.name, space, seed)
