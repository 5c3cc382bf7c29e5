"""Ray Tune: its BOHB searcher (HpBandSter's model) with the Hyperband scheduler made for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from search_race.axes import Axes
from search_race.loop import Job
from search_race.peers.config_space import config_space


@dataclass(eq=False)
class _Trial:
    """What the scheduler looks at in one of Ray Tune's trials."""

    number: int
    config: dict[str, Any]
    status: str = "PENDING"
    epoch: int = 0
    is_saving: bool = False

    @property
    def trial_id(self) -> str:
        return str(self.number)


@dataclass
class RayBOHB:
    """``TuneBOHB`` and ``HyperBandForBOHB``; this object is also the controller that the scheduler talks to.

    As Ray's controller does, it keeps one trial pending, made before it is needed.
    """

    axes: Axes
    epochs: int
    seed: int
    slots: int
    trials: list[_Trial] = field(default_factory=list)

    def __post_init__(self) -> None:
        from ray.tune.schedulers import HyperBandForBOHB
        from ray.tune.search.bohb import TuneBOHB

        self._scheduler = HyperBandForBOHB(metric="loss", mode="min", max_t=self.epochs, reduction_factor=3)
        self._searcher = TuneBOHB(config_space(self.axes, self.seed), metric="loss", mode="min", seed=self.seed)
        self.search_alg = SimpleNamespace(searcher=self._searcher)
        self._live: set[_Trial] = set()

    def next(self, now: float) -> Job | None:
        """The trial that the scheduler chooses among pending and unpaused ones."""
        if not any(trial.status == "PENDING" for trial in self._live):
            self._add()
        trial = self._scheduler.choose_trial_to_run(self)
        if trial is None:
            return None
        trial.status = "RUNNING"
        return Job(trial.number, self.axes.config(trial.config), trial.epoch, self.epochs)

    def _add(self) -> None:
        number = len(self.trials)
        trial = _Trial(number, self._searcher.suggest(str(number)))
        self.trials.append(trial)
        self._live.add(trial)
        self._scheduler.on_trial_add(self, trial)

    def report(self, trial: int, epoch: int, loss: float, now: float) -> bool:
        """Report to the scheduler, then to the searcher, in the order of Ray's controller."""
        told, result = self.trials[trial], {"loss": loss, "training_iteration": epoch}
        told.epoch = epoch
        action = self._scheduler.on_trial_result(self, told, result)
        if action == "STOP":
            self._scheduler.on_trial_complete(self, told, result)
            self._searcher.on_trial_complete(told.trial_id, result)
            self._end(told)
            return False
        self._searcher.on_trial_result(told.trial_id, result)
        if action == "PAUSE":
            told.status = "PAUSED"
        return bool(action == "CONTINUE")

    def get_trials(self) -> list[_Trial]:
        """All trials that have not ended."""
        return list(self._live)

    def stop_trial(self, trial: _Trial) -> None:
        """The scheduler gives up a paused trial."""
        self._scheduler.on_trial_remove(self, trial)
        self._searcher.on_trial_complete(trial.trial_id)
        self._end(trial)

    def _end(self, trial: _Trial) -> None:
        trial.status = "TERMINATED"
        self._live.discard(trial)
