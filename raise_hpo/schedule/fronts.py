"""A rung with several objectives."""

from __future__ import annotations

from raise_hpo.pareto import Fronts
from raise_hpo.schedule.rung import Rung


class FrontRung(Rung):
    """A rung whose trials are ranked by non-dominated fronts (MO-ASHA, Schmucker et al. 2021, arXiv:2106.12639).

    A trial of a better front ranks before one of a worse front; within a front trials rank so that the first few are
    spread over it, beginning with the best in the primary objective. `losses`, `rank` and `at` are the primary's.
    """

    def __init__(self, epoch: int) -> None:
        super().__init__(epoch)
        self._fronts = Fronts()
        self._who_wait: set[int] = set()

    def add(self, trial: int, loss: float, more: tuple[float, ...] = ()) -> None:
        """Record a trial's losses."""
        super().add(trial, loss)
        self._fronts.add(trial, (loss, *more))

    def among(self, trial: int, places: int) -> bool:
        """Whether a trial is one of the best so many; only a front that is cut is put in order."""
        front = self._fronts.front_of(trial)
        left = places - sum(self._fronts.size(better) for better in range(front))
        if left <= 0 or left >= self._fronts.size(front):
            return left > 0
        return trial in self._fronts.ordered(front)[:left]

    def needs(self, places: int) -> None:
        """No single loss says who is among the best."""
        return

    def told(self, trial: int) -> str:
        """A trial's front in words."""
        return f"front {self._fronts.front_of(trial) + 1} of {len(self._fronts)} with {len(self)} trials"

    def wait(self, trial: int) -> None:
        """A trial pauses here."""
        self._who_wait.add(trial)

    def leave(self, trial: int) -> None:
        """A trial waits no longer."""
        self._who_wait.discard(trial)

    def best_waiting(self) -> int | None:
        """The best of the trials that wait here."""
        if not self._who_wait:
            return None
        front = min(map(self._fronts.front_of, self._who_wait))
        return next(trial for trial in self._fronts.ordered(front) if trial in self._who_wait)
