"""The median stopping rule."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass

from raise_hpo.history import Decision
from raise_hpo.schedule.base import OptionError, Scheduler


@dataclass
class _Sofar:
    """A trial's losses so far: their sum, number and minimum."""

    total: float = 0.0
    count: int = 0
    best: float = float("inf")

    @property
    def average(self) -> float:
        return self.total / self.count


class MedianStopping(Scheduler):
    """The median stopping rule of Vizier (Golovin et al., KDD 2017, section 3.2.2).

    A trial stops after an epoch if its best loss so far is worse than the median, over the other trials that have got
    as far, of their average loss up to that epoch. It needs no checkpoints and nothing to be set, and stops about half
    of the trials, so it saves less than successive halving and seldom errs. Vizier's median is over completed trials;
    here running and stopped ones count too as far as they got, so that it works from the first trials on.

    Args:
        max_epochs: The epoch at which a trial is finished.
        grace_epochs: No trial is stopped before this epoch; by default a tenth of `max_epochs`.
        min_trials: The other trials that must have got as far before the rule is applied.

    Raises:
        UserError: `grace_epochs` is not below `max_epochs`.
    """

    name = "median"

    def __init__(self, max_epochs: int, grace_epochs: int | None = None, min_trials: int = 3) -> None:
        super().__init__(max_epochs)
        self.grace_epochs = max(1, max_epochs // 10) if grace_epochs is None else grace_epochs
        if grace_epochs is not None and not 1 <= grace_epochs < max_epochs:
            words = f"is {grace_epochs}; valid: 1 to {max_epochs - 1} (max_epochs is {max_epochs})"
            raise OptionError(self.name, "grace_epochs", words)
        self.min_trials = min_trials
        self._trials: dict[int, _Sofar] = {}
        self._averages: dict[int, list[float]] = {}

    def on_report(self, trial: int, epoch: int, loss: float, more: tuple[float, ...] = ()) -> None:
        """Record the loss, and the trial's average up to this epoch."""
        so_far = self._trials.setdefault(trial, _Sofar())
        so_far.total += loss
        so_far.count += 1
        so_far.best = min(so_far.best, loss)
        insort(self._averages.setdefault(epoch, []), so_far.average)

    def on_end(self, trial: int) -> None:
        """Forget the trial; its averages stay, they are measurements."""
        self._trials.pop(trial, None)

    def decide(self, trial: int, epoch: int) -> Decision:
        """Stop if the best loss so far is worse than the median of the others' averages."""
        if epoch < self.grace_epochs:
            return Decision("continue", f"none is stopped before epoch {self.grace_epochs}")
        so_far, averages = self._trials[trial], self._averages[epoch]
        others = len(averages) - 1
        if others < self.min_trials:
            return Decision("continue", f"{others} other trials have reached epoch {epoch}, {self.min_trials} must")
        median = _median_without(averages, so_far.average)
        worse = so_far.best > median
        words = (
            f"best loss up to epoch {epoch} is {so_far.best:.6g}, {'worse' if worse else 'not worse'} than "
            f"{median:.6g}, the median of the average losses of {others} other trials"
        )
        return Decision("stop" if worse else "continue", words)


def _median_without(values: list[float], left_out: float) -> float:
    """The median of sorted values, one of which is left out."""
    gap, count = bisect_left(values, left_out), len(values) - 1

    def at(place: int) -> float:
        return values[place if place < gap else place + 1]

    return (at((count - 1) // 2) + at(count // 2)) / 2
