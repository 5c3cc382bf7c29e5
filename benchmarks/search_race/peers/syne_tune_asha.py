"""Syne Tune: its asynchronous successive halving with one of its searchers."""

from __future__ import annotations

import datetime
from typing import Any

from search_race.axes import Axes, Axis
from search_race.loop import Job


class SyneTune:
    """One of Syne Tune's baselines ``ASHA``, ``BOHB``, ``ASHABORE`` and ``ASHACQR``; all are of the stopping kind."""

    def __init__(self, axes: Axes, epochs: int, seed: int, slots: int, baseline: str) -> None:
        import syne_tune.optimizer.baselines as baselines

        self._axes, self._epochs = axes, epochs
        self._scheduler = getattr(baselines, baseline)(
            config_space={axis.key: _domain(axis) for axis in axes},
            metric="loss",
            time_attr="epoch",
            max_t=epochs,
            random_seed=seed,
        )
        self._trials: list[Any] = []

    def next(self, now: float) -> Job | None:
        """Ask for a trial."""
        from syne_tune.backend.trial_status import Trial

        suggestion = self._scheduler.suggest()
        if suggestion is None:
            return None
        number = len(self._trials)
        trial = Trial(number, suggestion.config, datetime.datetime.now())
        self._trials.append(trial)
        self._scheduler.on_trial_add(trial)
        return Job(number, self._axes.config(suggestion.config), 0, self._epochs)

    def report(self, trial: int, epoch: int, loss: float, now: float) -> bool:
        """Report, as Syne Tune's tuner does: a trial's last epoch completes it, a stopped one is removed."""
        told, result = self._trials[trial], {"loss": loss, "epoch": epoch}
        if epoch >= self._epochs:
            self._scheduler.on_trial_complete(told, result)
            return False
        goes_on = self._scheduler.on_trial_result(told, result) == "CONTINUE"
        if not goes_on:
            self._scheduler.on_trial_remove(told)
        return goes_on


def _domain(axis: Axis) -> Any:
    from syne_tune import config_space

    if axis.kind == "category":
        return config_space.choice(axis.labels)
    names = {"real": ("uniform", "loguniform"), "whole": ("randint", "lograndint")}
    return getattr(config_space, names[axis.kind][axis.log])(*axis.bounds)
