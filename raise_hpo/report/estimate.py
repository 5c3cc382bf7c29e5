"""How long a study will still take, and what the estimate rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raise_hpo.history import ENDED, History
from raise_hpo.report.facts import seconds_per_epoch
from raise_hpo.report.plain import algorithm
from raise_hpo.report.words import duration
from raise_hpo.schedule.names import OF_POPULATIONS


@dataclass(frozen=True)
class Estimate:
    """Seconds left, and in words what that was made from."""

    seconds: float
    how: str


def time_left(history: History, now: float) -> Estimate | None:
    """The time until the first of the budgets is spent; None before the first report or without a budget.

    Args:
        history: The study so far.
        now: Seconds since the epoch.
    """
    pace = seconds_per_epoch(history)
    budget = history.study.get("budget", {})
    if pace is None:
        return None
    left = [_by_epochs(history, budget.get("epochs"), pace), _by_hours(history, budget.get("hours"), now)]
    scheduler = history.study.get("scheduler", "none")
    if algorithm(scheduler) in OF_POPULATIONS:
        left.append(_by_population(history, scheduler, pace))
    else:
        left.append(_by_trials(history, budget.get("trials"), pace))
    return min((estimate for estimate in left if estimate), key=lambda estimate: estimate.seconds, default=None)


def _by_trials(history: History, trials: int | None, pace: float) -> Estimate | None:
    if trials is None:
        return None
    settled = [trial.epoch for trial in history.trials if trial.state in (*ENDED, "paused") and not trial.is_default]
    mean = sum(settled) / len(settled) if settled else float(history.max_epochs)
    epochs = max(0, trials - len(history.trials)) * mean
    for trial in history.trials:
        if trial.state in ("running", "waiting"):
            goal = history.max_epochs if trial.is_default else max(mean, trial.epoch + 1)
            epochs += max(0.0, goal - trial.epoch)
    basis = f"{mean:.1f} epochs a trial so far" if settled else f"{mean:.0f} epochs a trial, as none has ended"
    return Estimate(epochs * pace / history.slots, f"from {duration(pace)} an epoch and {basis}")


def _by_population(history: History, scheduler: Mapping[str, Mapping[str, Any]], pace: float) -> Estimate:
    """Members train to the end, and heirs go on where others were: how many there will be does not matter."""
    population = scheduler[algorithm(scheduler)]["population"]
    alive = [trial for trial in history.trials if trial.state not in ENDED]
    reached = [max(trial.epoch, trial.checkpoint[0] if trial.checkpoint else 0) for trial in alive]
    epochs = len(alive) * history.max_epochs - sum(reached)
    members = sum(trial.parent is None and not trial.is_default for trial in history.trials)
    epochs += max(0, population - members) * history.max_epochs
    how = f"from {duration(pace)} an epoch and a population of {population} that trains to the end"
    return Estimate(epochs * pace / min(history.slots, population), how)


def _by_epochs(history: History, epochs: int | None, pace: float) -> Estimate | None:
    if epochs is None:
        return None
    left = max(0, epochs - history.epochs)
    return Estimate(left * pace / history.slots, f"from {duration(pace)} an epoch and {left} epochs of the budget")


def _by_hours(history: History, hours: float | None, now: float) -> Estimate | None:
    if hours is None:
        return None
    since = max(0.0, now - history.sessions[-1][1])
    return Estimate(max(0.0, hours * 3600 - history.seconds - since), f"what is left of the budget of {hours:g} h")
