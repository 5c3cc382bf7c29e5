"""Asynchronous successive halving."""

from __future__ import annotations

import math

from raise_hpo.errors import UserError
from raise_hpo.history import Decision
from raise_hpo.schedule.base import Need, Scheduler
from raise_hpo.schedule.fronts import FrontRung
from raise_hpo.schedule.rung import Rung, ordinal, places_go_on

__all__ = ["ASHA", "Rung", "ordinal", "places_go_on"]


class ASHA(Scheduler):
    """Asynchronous successive halving (Li et al., MLSys 2020, arXiv:1810.05934).

    At each rung (epochs ``min_epochs * reduction_factor**k``) one in `reduction_factor` trials goes on. Nobody waits: a
    trial is compared with those that have reached the rung so far. In mode ``promotion``, as published, a trial that is
    not among the best pauses and goes on when it is; in mode ``stopping`` it stops, which needs no checkpoints to come
    back to and lets the first trials at a rung go on more easily. `max_epochs` is the end, not a rung. With several
    objectives trials are compared by non-dominated fronts.

    Args:
        max_epochs: The epoch at which a trial is finished.
        min_epochs: The first rung.
        reduction_factor: One in so many goes on, at least 2.
        mode: ``stopping`` or ``promotion``.

    Raises:
        UserError: `min_epochs` is not below `max_epochs`.
    """

    name = "asha"

    def __init__(
        self, max_epochs: int, min_epochs: int = 1, reduction_factor: float = 3, mode: str = "stopping"
    ) -> None:
        super().__init__(max_epochs)
        if not 1 <= min_epochs < max_epochs:
            raise UserError(
                f"scheduler.asha.min_epochs is {min_epochs}; valid: 1 to {max_epochs - 1} (max_epochs is {max_epochs})"
            )
        self.reduction_factor = reduction_factor
        self.mode = mode
        self._paused: dict[int, int] = {}
        self._rungs: dict[int, Rung] = {}
        epoch = float(min_epochs)
        while round(epoch) < max_epochs:
            self._rungs[round(epoch)] = Rung(round(epoch))
            epoch *= reduction_factor

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs of the rungs, in rising order."""
        return tuple(self._rungs)

    def on_report(self, trial: int, epoch: int, loss: float, more: tuple[float, ...] = ()) -> None:
        """Record the loss if the epoch is a rung's; a report made again changes nothing."""
        rung = self._rungs.get(epoch)
        if rung is None or trial in rung.losses:
            return
        if more and not len(rung):
            rung = self._rungs[epoch] = FrontRung(epoch)
        rung.add(trial, loss, more)

    def on_pause(self, trial: int, epoch: int) -> None:
        """Remember where the trial waits."""
        self._paused[trial] = epoch
        self._rungs[epoch].wait(trial)

    def on_resume(self, trial: int, epoch: int) -> None:
        """The trial waits no longer."""
        self.on_end(trial)

    def on_predicted(self, trial: int, epoch: int, loss: float) -> None:
        """The rung counts the trial as if it had come, or it would need more the better the others are chosen."""
        self.on_report(trial, epoch, loss)

    def on_end(self, trial: int) -> None:
        """Forget that the trial waits; its losses stay, they are measurements."""
        if trial in self._paused:
            self._rungs[self._paused.pop(trial)].leave(trial)

    def decide(self, trial: int, epoch: int) -> Decision:
        """At a rung: continue among the best, else pause (promotion) or stop (stopping)."""
        rung = self._rungs.get(epoch)
        if rung is None:
            return Decision("continue", "between rungs")
        places = self._places(rung)
        words = f"rung of epoch {epoch}: {rung.told(trial)}, {places_go_on(places)}"
        if rung.among(trial, places):
            return Decision("continue", words)
        if (needed := rung.needs(places)) is not None:
            words += f" (the rung needs {needed:.6g})"
        return Decision("pause" if self.mode == "promotion" else "stop", words)

    def _places(self, rung: Rung) -> int:
        """How many of the trials at a rung may go on."""
        places = int(len(rung) / self.reduction_factor)
        # Stopped trials cannot come back: the rule of stopping must let the best so far go on, however few there are.
        return max(1, places) if self.mode == "stopping" else places

    def resume(self) -> tuple[int, str] | None:
        """The best paused trial of the highest rung that has a place for it."""
        return next((found for rung in reversed(self._rungs.values()) if (found := self._promotion(rung))), None)

    def _promotion(self, rung: Rung) -> tuple[int, str] | None:
        """The best trial that waits at a rung, if it is among those that go on."""
        places, trial = self._places(rung), rung.best_waiting()
        if trial is None or not rung.among(trial, places):
            return None
        return trial, f"promoted at the rung of epoch {rung.epoch}: {rung.told(trial)}, {places_go_on(places)}"

    def need(self, trial: int, epoch: int) -> Need | None:
        """The loss of the last place at the next rung that the trial can hope for."""
        rung = next((rung for rung in self._rungs.values() if rung.epoch > epoch), None)
        needed = rung.needs(self._hoped(rung)) if rung else None
        return Need(rung.epoch, needed) if rung and needed is not None else None

    def _hoped(self, rung: Rung) -> int:
        """How many of the trials at a rung may go on once one more has come and, in promotion, those after it.

        Of trials that come later more may be worse than of those here: by one standard deviation of their number.
        """
        places = (len(rung) + 1) / self.reduction_factor
        if self.mode == "stopping":
            return max(1, int(places))
        return math.ceil(places + math.sqrt(places * (1 - 1 / self.reduction_factor)))
