"""A population of trials: its places, who holds them, and how they rank at equal epochs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from raise_hpo.history import Config

_MOST_LEAVING = 4


@dataclass(eq=False)
class Place:
    """One of the population's places and the trial that holds it.

    Attributes:
        trial: The trial that holds the place, or held it last.
        config: Its configuration.
        start: The epoch that it began from; above 0 for an heir.
        origin: The trial that it is an heir of.
        losses: The place's losses by epoch; those up to `start` are of its earlier holders.
        state: ``vacant`` when the trial has left before its end; ``lost`` when too many did so in a row.
        saved: Whether the trial has a checkpoint of its own, from an interval's end.
        parent: Of a vacant place: the trial whose heir is to have it, as chosen when it fell vacant.
        left: How many trials have left the place since one of them was at an interval's end.
    """

    trial: int
    config: Config
    start: int = 0
    origin: int | None = None
    losses: dict[int, float] = field(default_factory=dict)
    state: Literal["running", "paused", "finished", "vacant", "lost"] = "running"
    saved: bool = False
    parent: int | None = None
    left: int = 0

    @property
    def epoch(self) -> int:
        """The last epoch that the place's holder has reported; before that, the one it began from."""
        return max(self.start, next(reversed(self.losses), 0))

    @property
    def may_be_inherited(self) -> bool:
        """Whether another trial can start from this one's checkpoint, and has epochs left to train then."""
        return self.saved and self.state in ("running", "paused")

    def loss(self, epoch: int) -> float | None:
        """The loss that the place had at an epoch, or at the last one reported before it."""
        if epoch in self.losses:
            return self.losses[epoch]
        return self.losses[max(known)] if (known := [each for each in self.losses if each <= epoch]) else None

    def pass_on(self, trial: int, config: Config, origin: int | None, start: int) -> None:
        """Another trial takes the place: an heir of `origin`, or a new start without a past."""
        self.trial, self.config, self.origin, self.start = trial, config, origin, start
        self.losses = {epoch: loss for epoch, loss in self.losses.items() if epoch <= start}
        self.state, self.saved, self.parent = "running", False, None

    def report(self, epoch: int, loss: float, interval_ends: bool) -> None:
        """The place's trial has reported a loss."""
        self.losses[epoch] = loss
        if interval_ends:
            self.saved, self.left = True, 0

    def leave(self) -> None:
        """The place's trial has left before its end."""
        self.left += 1
        self.state = "vacant" if self.left <= _MOST_LEAVING else "lost"


@dataclass(frozen=True)
class Standing:
    """A place's rank among those that can be compared with it, 1 for the best."""

    rank: int
    count: int


class Population:
    """The places, in the order in which they were first taken."""

    def __init__(self) -> None:
        self.places: list[Place] = []
        self._of: dict[int, Place] = {}

    def __getitem__(self, trial: int) -> Place:
        return self._of[trial]

    def get(self, trial: int) -> Place | None:
        """The place that a trial holds or held last; None for a trial that is no member."""
        return self._of.get(trial)

    def vacant(self) -> list[Place]:
        """Places whose holders have left, in the order of the places."""
        return [place for place in self.places if place.state == "vacant"]

    def add(self, trial: int, config: Config) -> None:
        """A new trial takes a new place."""
        self.places.append(Place(trial, config))
        self._of[trial] = self.places[-1]

    def fill(self, place: Place, trial: int, config: Config, origin: int | None = None, start: int = 0) -> None:
        """A trial takes a vacant place."""
        self._of.pop(place.trial, None)
        place.pass_on(trial, config, origin, start)
        self._of[trial] = place

    def standing(self, place: Place, epoch: int) -> Standing:
        """How a place ranks at an epoch among all that have reported by then; the older place first among equals.

        Those that are further are taken as they were at that epoch, those that are behind as they are.
        """
        order = self.ranked(epoch)
        return Standing(order.index(place) + 1, len(order))

    def ranked(self, epoch: int) -> list[Place]:
        """The places that have a loss at an epoch, the best first."""
        there = [place for place in self.places if place.loss(epoch) is not None]
        return sorted(there, key=lambda place: _or_infinite(place.loss(epoch)))

    def first_paused(self) -> Place | None:
        """The paused place that is furthest behind, the trial suggested first among equals."""
        paused = [place for place in self.places if place.state == "paused"]
        return min(paused, key=lambda place: (place.epoch, place.trial), default=None)


def _or_infinite(loss: float | None) -> float:
    return math.inf if loss is None else loss
