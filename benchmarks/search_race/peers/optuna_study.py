"""Optuna: its samplers with its pruners, asked and told as its documentation shows."""

from __future__ import annotations

from typing import Any

from search_race.axes import Axes
from search_race.loop import Job

ETA = 3


class OptunaStudy:
    """An Optuna study, asked and told; it has a name, as its Hyperband draws brackets from that."""

    def __init__(self, axes: Axes, epochs: int, seed: int, slots: int, sampler: str, pruner: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._axes, self._epochs, self._optuna = axes, epochs, optuna
        sampling, pruning = _sampler(sampler, seed), _pruner(pruner, epochs)
        self._study = optuna.create_study(study_name=f"race {seed}", sampler=sampling, pruner=pruning)
        self._running: dict[int, Any] = {}

    def next(self, now: float) -> Job | None:
        """Ask for a trial."""
        trial = self._study.ask()
        self._running[trial.number] = trial
        told = {axis.key: _suggest(trial, axis) for axis in self._axes}
        return Job(trial.number, self._axes.config(told), 0, self._epochs)

    def report(self, trial: int, epoch: int, loss: float, now: float) -> bool:
        """Report; at the end or when pruned, tell."""
        running = self._running[trial]
        running.report(loss, epoch)
        if epoch >= self._epochs:
            self._study.tell(running, loss)
        elif running.should_prune():
            self._study.tell(running, state=self._optuna.trial.TrialState.PRUNED)
        else:
            return True
        del self._running[trial]
        return False


def _sampler(name: str, seed: int) -> Any:
    import optuna

    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.GPSampler(seed=seed)


def _pruner(name: str, epochs: int) -> Any:
    import optuna

    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=ETA)
    return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=ETA)


def _suggest(trial: Any, axis: Any) -> Any:
    if axis.kind == "category":
        return trial.suggest_categorical(axis.key, axis.labels)
    suggest = trial.suggest_float if axis.kind == "real" else trial.suggest_int
    return suggest(axis.key, *axis.bounds, log=axis.log)
