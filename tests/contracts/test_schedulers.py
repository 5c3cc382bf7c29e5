import pytest

from raise_hpo.schedule import SCHEDULERS, Scheduler, make_scheduler
from raise_hpo.testing import SchedulerContract

CASES = [
    ("none", {}),
    ("asha", {"mode": "stopping"}),
    ("asha", {"mode": "promotion"}),
    ("asha", {"min_epochs": 2, "reduction_factor": 2}),
    ("curve", {}),
    ("hyperband", {}),
    ("hyperband", {"min_epochs": 2, "reduction_factor": 2}),
    ("hyperband", {"reduction_factor": 2.5, "brackets": 1}),
    ("pbt", {}),
    ("pbt", {"population": 5, "interval": 2, "quantile": 0.4, "perturb": ["lr", "layers"]}),
    ("pb2", {"population": 6, "interval": 2}),
    ("genetic", {}),
    ("genetic", {"population": 4, "interval": 2, "quantile": 0.5, "grow": ["layers"], "grow_probability": 0.5}),
    ("bohb", {}),
    ("swift_hyperband", {}),
    ("swift_hyperband", {"reduction_factor": 2, "min_curves": 4, "known": 0.3, "train": 0.2}),
    ("median", {}),
    ("median", {"grace_epochs": 4, "min_trials": 1}),
]


def test_every_scheduler_is_held_to_the_contract() -> None:
    assert {name for name, _ in CASES} == set(SCHEDULERS)


@pytest.mark.parametrize(("name", "options"), CASES)
class TestSchedulers(SchedulerContract):
    @pytest.fixture(autouse=True)
    def _of_name(self, name: str, options: dict[str, object]) -> None:
        self.name, self.options = name, options
        self.stops_between_rungs = name == "median"
        self.trusts_predictions = name == "swift_hyperband"

    def make(self, max_epochs: int) -> Scheduler:
        return make_scheduler(self.name, max_epochs, self.space(), 1, **self.options)
