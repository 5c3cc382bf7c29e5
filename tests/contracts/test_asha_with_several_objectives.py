import pytest

from raise_hpo.schedule import Scheduler
from raise_hpo.schedule.asha import ASHA
from raise_hpo.testing import SchedulerContract


class TwoLosses(ASHA):
    """ASHA that is told a second loss, which has nothing to do with the first."""

    def on_report(self, trial: int, epoch: int, loss: float, more: tuple[float, ...] = ()) -> None:
        super().on_report(trial, epoch, loss, (float(trial * 7 % 11), *more))


@pytest.mark.parametrize("options", [{"mode": "stopping"}, {"mode": "promotion"}, {"reduction_factor": 2}])
class TestSeveralObjectives(SchedulerContract):
    @pytest.fixture(autouse=True)
    def _with(self, options: dict[str, object]) -> None:
        self.options = options

    def make(self, max_epochs: int) -> Scheduler:
        return TwoLosses(max_epochs, **self.options)
