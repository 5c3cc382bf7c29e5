"""A rung: the trials that have reached an epoch, in their order."""

from __future__ import annotations

from bisect import bisect_left, insort


class Rung:
    """The losses of all trials that have reached one epoch, and which of them wait there."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.losses: dict[int, float] = {}
        self._sorted: list[tuple[float, int]] = []
        self._waiting: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self.losses)

    def add(self, trial: int, loss: float, more: tuple[float, ...] = ()) -> None:
        """Record a trial's loss."""
        self.losses[trial] = loss
        insort(self._sorted, (loss, trial))

    def rank(self, trial: int) -> int:
        """A trial's place among all losses, 1 for the best; the earlier trial goes first among equals."""
        return bisect_left(self._sorted, (self.losses[trial], trial)) + 1

    def at(self, place: int) -> float:
        """The loss of the trial at a place, 1 for the best."""
        return self._sorted[place - 1][0]

    def among(self, trial: int, places: int) -> bool:
        """Whether a trial is one of the best so many."""
        return self.rank(trial) <= places

    def needs(self, places: int) -> float | None:
        """The loss that one of the best so many must have; None while there are fewer."""
        return self.at(places) if 0 < places <= len(self) else None

    def told(self, trial: int) -> str:
        """A trial's place in words."""
        return f"{ordinal(self.rank(trial))} of {len(self)}"

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


def places_go_on(places: int) -> str:
    """How many go on, in words."""
    return {0: "no place yet", 1: "the best goes on"}.get(places, f"the best {places} go on")


def ordinal(number: int) -> str:
    """A place in words, such as 1st."""
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
