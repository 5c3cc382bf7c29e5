"""Asynchronous successive halving."""

from __future__ import annotations

from bisect import bisect_left, insort

from raise_hpo.errors import UserError
from raise_hpo.history import Decision
from raise_hpo.schedule.base import Need, Scheduler


class Rung:
    """The losses of all trials that have reached one epoch, and which of them wait there."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.losses: dict[int, float] = {}
        self._sorted: list[tuple[float, int]] = []
        self._waiting: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self.losses)

    def add(self, trial: int, loss: float) -> None:
        """Record a trial's loss."""
        self.losses[trial] = loss
        insort(self._sorted, (loss, trial))

    def rank(self, trial: int) -> int:
        """A trial's place among all losses, 1 for the best; the earlier trial goes first among equals."""
        return bisect_left(self._sorted, (self.losses[trial], trial)) + 1

    def at(self, place: int) -> float:
        """The loss of the trial at a place, 1 for the best."""
        return self._sorted[place - 1][0]

    def wait(self, trial: int) -> None:
        """A trial pauses here."""
        insort(self._waiting, (self.losses[trial], trial))

    def leave(self, trial: int) -> None:
        """A trial waits no longer."""
        entry = (self.losses[trial], trial)
        place = bisect_left(self._waiting, entry)
        if self._waiting[place : place + 1] == [entry]:
            del self._waiting[place]

    def best_waiting(self) -> int | None:
        """The best of the trials that wait here."""
        return self._waiting[0][1] if self._waiting else None


class ASHA(Scheduler):
    """Asynchronous successive halving (Li et al., MLSys 2020, arXiv:1810.05934).

    At each rung (epochs ``min_epochs * reduction_factor**k``) one in `reduction_factor` trials goes on. Nobody waits: a
    trial is compared with those that have reached the rung so far. In mode ``promotion``, as published, a trial that is
    not among the best pauses and goes on when it is; in mode ``stopping`` it stops, which needs no checkpoints to come
    back to and lets the first trials at a rung go on more easily. `max_epochs` is the end, not a rung.

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
        if rung is not None and trial not in rung.losses:
            rung.add(trial, loss)

    def on_pause(self, trial: int, epoch: int) -> None:
        """Remember where the trial waits."""
        self._paused[trial] = epoch
        self._rungs[epoch].wait(trial)

    def on_resume(self, trial: int, epoch: int) -> None:
        """The trial waits no longer."""
        self.on_end(trial)

    def on_end(self, trial: int) -> None:
        """Forget that the trial waits; its losses stay, they are measurements."""
        if trial in self._paused:
            self._rungs[self._paused.pop(trial)].leave(trial)

    def decide(self, trial: int, epoch: int) -> Decision:
        """At a rung: continue among the best, else pause (promotion) or stop (stopping)."""
        rung = self._rungs.get(epoch)
        if rung is None:
            return Decision("continue", "between rungs")
        rank, places = rung.rank(trial), self._places(rung)
        words = f"rung of epoch {epoch}: {_ordinal(rank)} of {len(rung)}, {_places_go_on(places)}"
        if rank <= places:
            return Decision("continue", words)
        if places:
            words += f" (the rung needs {rung.at(places):.6g})"
        return Decision("pause" if self.mode == "promotion" else "stop", words)

    def _places(self, rung: Rung) -> int:
        """How many of the trials at a rung may go on."""
        places = int(len(rung) / self.reduction_factor)
        # Stopped trials cannot come back: the rule of stopping must let the best so far go on, however few there are.
        return max(1, places) if self.mode == "stopping" else places

    def resume(self) -> tuple[int, str] | None:
        """The best paused trial of the highest rung that has a place for it."""
        for rung in reversed(self._rungs.values()):
            places, trial = self._places(rung), rung.best_waiting()
            if trial is not None and (rank := rung.rank(trial)) <= places:
                place = f"{_ordinal(rank)} of {len(rung)}, {_places_go_on(places)}"
                return trial, f"promoted at the rung of epoch {rung.epoch}: {place}"
        return None

    def need(self, trial: int, epoch: int) -> Need | None:
        """The loss of the last place that goes on from the next rung."""
        rung = next((rung for rung in self._rungs.values() if rung.epoch > epoch), None)
        places = self._places(rung) if rung else 0
        return Need(rung.epoch, rung.at(places)) if rung and 0 < places <= len(rung) else None


def _places_go_on(places: int) -> str:
    return {0: "no place yet", 1: "the best goes on"}.get(places, f"the best {places} go on")


def _ordinal(number: int) -> str:
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
