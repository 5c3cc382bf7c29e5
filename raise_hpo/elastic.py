"""How many workers a trial has when, and which places are free for them. A place is room for one worker.

The study file gives a number from each rung of the scheduler on, or it is a dimension of the search space; trials wait
until so many places are free. When no new trials come, the survivors may share the places that are left over. All of it
follows from the history.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from raise_hpo.history import ENDED, History, Trial
from raise_hpo.study import StudySpec
from raise_hpo.workers import WORKERS, from_rung

_ENOUGH_EPOCHS = 2
"""A trial with fewer epochs left than this does not change its workers any more: they would have to be started."""


@dataclass(frozen=True)
class Growth:
    """A trial goes on with more workers than it had, and why, in words."""

    workers: int
    why: str


class Places:
    """Shares out a study's places to its trials.

    Args:
        study: The study.
        history: What happened so far; followed as it grows.
        rungs: The scheduler's rungs.
    """

    def __init__(self, study: StudySpec, history: History, rungs: tuple[int, ...]) -> None:
        self.elastic = study.elastic
        self._study = study
        self._max_epochs = study.max_epochs
        self._history = history
        self._rungs = rungs
        self._held: dict[int, int] = {}

    def __contains__(self, number: int) -> bool:
        """Whether a trial holds places."""
        return number in self._held

    def __bool__(self) -> bool:
        """Whether any trial holds places."""
        return bool(self._held)

    def hold(self, number: int, workers: int) -> None:
        """A trial runs, or is about to, with so many workers."""
        self._held[number] = workers

    def release(self, number: int) -> None:
        """A trial runs no more."""
        self._held.pop(number, None)

    def release_all(self) -> None:
        """The driver is gone, and with it all that ran."""
        self._held.clear()

    def free(self, besides: int | None = None) -> int:
        """The places that no trial holds, those of the trial `besides` counted as free."""
        held = sum(workers for number, workers in self._held.items() if number != besides)
        return self._history.places - held

    def fit(self, workers: int) -> bool:
        """Whether so many workers can start now. Where their number is fixed, the driver counts slots itself."""
        return not self.elastic or workers <= self.free()

    def starting(self) -> bool:
        """Whether a new trial may be asked for; how many workers it has is known only then if they are searched for."""
        return self.fit(1 if WORKERS in self._study.space.dimensions else self._study.resources.starting_workers)

    def workers(self, trial: Trial) -> int:
        """The workers of a trial's next stay: those of its rung or those it has grown to, but no more than places."""
        if not self.elastic:
            return self._study.resources.starting_workers
        return max(1, min(max(self._of_rung(trial), trial.workers or 0), self._history.places))

    def _of_rung(self, trial: Trial) -> int:
        reached = max(trial.epoch, trial.parent[1] if trial.parent else 0)
        return from_rung(self._study.resources_of(trial.config).workers, bisect_right(self._rungs, reached))

    def growth(self, trial: Trial) -> Growth | None:
        """How a trial goes on with more workers from the epoch on that it has reported last; None if it does not.

        It must not have to train an epoch again for that, so it grows only after an epoch with a checkpoint.
        """
        saved = trial.checkpoint is not None and trial.checkpoint[0] == trial.epoch and not trial.inherits
        if not (self.elastic and saved and self._max_epochs - trial.epoch >= _ENOUGH_EPOCHS and trial.stays):
            return None
        now, due = trial.stays[-1].workers, self.workers(trial)
        share, free = self._share(trial), self.free(trial.number)
        grown = now
        while 2 * grown <= share:
            grown *= 2
        if grown > max(now, due):
            return Growth(grown, f"goes on with {grown} workers: {free} places are free and no new trials come")
        rung = bisect_right(self._rungs, trial.epoch)
        return Growth(due, f"goes on with {due} workers, as from rung {rung} on") if due > now else None

    def _is_about_to_end(self, trial: Trial) -> bool:
        """Whether the scheduler judges a trial so soon that new workers may have been started in vain."""
        ahead = bisect_right(self._rungs, trial.epoch)
        judged = ahead < len(self._rungs) and self._rungs[ahead] - trial.epoch < _ENOUGH_EPOCHS
        return judged and trial.epoch not in self._rungs

    def _share(self, trial: Trial) -> int:
        """The places that a survivor can have without taking any from others; 0 while new trials come.

        It and all others that run or wait share alike; while some are paused, one more is reckoned with.
        """
        history, survivors = self._history, self._study.resources.survivors
        if survivors is None or history.exhausted != history.suggested or self._is_about_to_end(trial):
            return 0
        others = [each for each in history.trials if each.state not in ENDED and each is not trial]
        paused = [each for each in others if each.state == "paused"]
        sharing = 1 + len(others) - len(paused) + bool(paused)
        waiting = [each for each in others if each.state == "waiting" and each.number not in self]
        free = self.free(trial.number) - sum(self.workers(each) for each in waiting)
        return min(survivors, free, history.places // sharing)
