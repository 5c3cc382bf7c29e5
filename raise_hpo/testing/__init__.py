"""Contract suites: what every searcher, scheduler and trainable must keep, ours and other packages' alike.

Subclass a suite in a test module and give it what to test; pytest runs its checks.
"""

from raise_hpo.testing.schedulers import SchedulerContract
from raise_hpo.testing.searchers import SearcherContract

__all__ = ["SchedulerContract", "SearcherContract", "TrainableContract"]


def __getattr__(name: str) -> object:
    """The trainable's suite needs torch and is imported when it is used."""
    if name == "TrainableContract":
        from raise_hpo.testing.trainables import TrainableContract

        return TrainableContract
    raise AttributeError(f"module 'raise_hpo.testing' has no attribute '{name}'")
