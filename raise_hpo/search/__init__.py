"""Searchers: who proposes the next configuration."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from raise_hpo.search.base import Searcher
from raise_hpo.search.names import REPEAT, SEARCHERS

if TYPE_CHECKING:
    from raise_hpo.space import SearchSpace

_HOMES = {
    "random": "raise_hpo.search.random:RandomSearcher",
    "grid": "raise_hpo.search.grid:GridSearcher",
    "sobol": "raise_hpo.search.sobol:SobolSearcher",
    "tpe": "raise_hpo.search.optuna:TPESearcher",
    "curve": "raise_hpo.search.curve:CurveSearcher",
    "gp": "raise_hpo.search.optuna:GPSearcher",
    "cmaes": "raise_hpo.search.cmaes:CMAESSearcher",
    "hyperopt": "raise_hpo.search.hyperopt:HyperoptSearcher",
    "bohb": "raise_hpo.search.bohb:BohbSearcher",
    "evolution": "raise_hpo.search.evolution:EvolutionSearcher",
    REPEAT: "raise_hpo.search.repeat:RepeatSearcher",
    "rl": "raise_hpo.search.rl:RLSearcher",
}

__all__ = ["SEARCHERS", "Searcher", "make_searcher"]


def make_searcher(name: str, space: SearchSpace, seed: int, **options: Any) -> Searcher:
    """The searcher of that name, as a study file names it, with its options."""
    module, _, attribute = _HOMES[name].partition(":")
    searcher: Searcher = getattr(import_module(module), attribute)(space, seed, **options)
    return searcher
