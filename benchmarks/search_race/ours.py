"""Our side of the race: a study's searcher and scheduler, run by the same decision core that runs real trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raise_hpo.decide import DecisionCore, Run
from raise_hpo.drive.simulator import VirtualClock
from raise_hpo.space import SearchSpace
from raise_hpo.study import StudySpec
from search_race.loop import Job

ASHA: dict[str, Any] = {"asha": {"mode": "promotion"}}

OURS: dict[str, dict[str, Any]] = {
    "curve": {"searcher": "curve", "scheduler": "curve"},
    "random": {"searcher": "random", "scheduler": "none"},
    "asha": {"searcher": "random", "scheduler": ASHA},
    "asha-stopping": {"searcher": "random", "scheduler": {"asha": {"mode": "stopping"}}},
    **{
        f"asha+{searcher}": {"searcher": searcher, "scheduler": ASHA}
        for searcher in ("sobol", "tpe", "gp", "hyperopt", "cmaes", "evolution", "rl")
    },
    "median": {"searcher": "random", "scheduler": "median"},
    "hyperband": {"searcher": "random", "scheduler": "hyperband"},
    "swift_hyperband": {"searcher": "random", "scheduler": "swift_hyperband"},
    "bohb": {"searcher": "bohb", "scheduler": "bohb"},
}
"""Study settings by the names they race under."""


def study(settings: Mapping[str, Any], space: SearchSpace, epochs: int, seed: int) -> StudySpec:
    """The study that a contestant of ours is: no default configuration, and trials without end."""
    fixed = {"trainable": "curves:Curves", "default": False, "budget": {"trials": 10**9}}
    return StudySpec.model_validate(
        {**fixed, "search_space": space, "max_epochs": epochs, "seed": seed, **settings}  # settings decide the rest
    )


class Ours:
    """A decision core as a contestant."""

    def __init__(self, space: SearchSpace, epochs: int, seed: int, slots: int, settings: Mapping[str, Any]) -> None:
        self._clock, self._epochs = VirtualClock(), epochs
        self._core = DecisionCore(study(settings, space, epochs, seed), lambda events: None, clock=self._clock)
        self._core.begin("race", slots, {})
        self._since: dict[int, float] = {}

    def next(self, now: float) -> Job | None:
        """The core's next trial, from its checkpoint if it has one."""
        self._clock.now = now
        action = self._core.next()
        if not isinstance(action, Run):
            return None
        trial = action.trial
        self._core.started(trial.number, "virtual", "virtual", 1, now)
        self._since[trial.number] = now
        return Job(trial.number, trial.config, trial.checkpoint[0] if trial.checkpoint else 0, self._epochs)

    def report(self, trial: int, epoch: int, loss: float, now: float) -> bool:
        """Whether the core lets the trial go on; each epoch leaves a checkpoint, and tells the seconds it took."""
        self._clock.now = now
        metrics = {"val_loss": loss, "seconds": now - self._since[trial]}
        self._since[trial] = now
        return self._core.report(trial, epoch, metrics, checkpoint=str(epoch)).action == "continue"
