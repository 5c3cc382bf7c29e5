"""When a study's budget of trials, epochs or hours is spent."""

from __future__ import annotations

from collections.abc import Callable

from raise_hpo.history import History
from raise_hpo.study import StudySpec


class BudgetWatch:
    """Holds a study's budget against its history.

    Args:
        study: The study.
        history: What happened so far; followed as it grows.
        clock: Seconds since the epoch.
    """

    def __init__(self, study: StudySpec, history: History, clock: Callable[[], float]) -> None:
        self._limits = study.budget
        self._history = history
        self._clock = clock

    @property
    def has_trials(self) -> bool:
        """Whether there may be another trial."""
        return self._limits.trials is None or self._history.suggested < self._limits.trials

    def spent(self) -> str | None:
        """Which budget of time or epochs is used up, in words."""
        limits = self._limits
        if limits.epochs is not None and self._history.epochs >= limits.epochs:
            return f"the budget of {limits.epochs} epochs is spent"
        if limits.hours is not None and self._hours() >= limits.hours:
            return f"the budget of {limits.hours:g} hours is spent"
        return None

    def _hours(self) -> float:
        """Hours at work, this moment included, over all sessions."""
        idle = self._clock() - self._history.sessions[-1][1] if self._history.sessions else 0.0
        return (self._history.seconds + idle) / 3600
