"""The options of searchers, schedulers and stoppers, by the names that a study file gives them."""

from raise_hpo.study.options.schedulers import SCHEDULER_OPTIONS
from raise_hpo.study.options.searchers import SEARCHER_OPTIONS
from raise_hpo.study.options.stoppers import STOPPER_OPTIONS
from raise_hpo.study.settings import Settings

__all__ = ["SCHEDULER_OPTIONS", "SEARCHER_OPTIONS", "STOPPER_OPTIONS", "NoOptions"]


class NoOptions(Settings):
    """For algorithms without options."""
