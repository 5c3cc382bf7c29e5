"""No scheduler: every trial trains to the end."""

from __future__ import annotations

from raise_hpo.history import Decision
from raise_hpo.schedule.base import Scheduler


class NoScheduler(Scheduler):
    """Trains every trial for all epochs, for short trainings and for curves to learn from."""

    name = "none"

    def decide(self, trial: int, epoch: int) -> Decision:
        """Go on."""
        return Decision("continue", "every trial trains to the end")
