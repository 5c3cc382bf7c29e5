"""Population-based bandits: population-based training whose heirs are chosen by a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from raise_hpo.history import Config
from raise_hpo.schedule.bandit import Array, TimeVaryingProcess, best_points, breadth
from raise_hpo.schedule.base import OptionError
from raise_hpo.schedule.explore import completed
from raise_hpo.schedule.pbt import PBT
from raise_hpo.schedule.population import Place
from raise_hpo.space import SearchSpace

_MOST = 100
"""Measurements that the model is fitted to, the last ones; older ones are as good as forgotten."""


@dataclass(frozen=True)
class Gain:
    """What a configuration gained in an interval.

    Attributes:
        point: The perturbed dimensions in the unit cube; those not active at 0.5.
        time: The end of the interval, counted in intervals.
        before: The loss that the interval began with.
        gain: By how much the loss fell, per interval.
    """

    point: tuple[float, ...]
    time: float
    before: float
    gain: float


class PB2(PBT):
    """Population-based bandits (Parker-Holder et al. 2020, arXiv:2002.02518).

    Pick it over `pbt` where the population is small: an heir's values are not perturbed at random, but those whose
    fall of the loss in the next interval has the largest upper confidence bound. The model is a Gaussian process over
    the values, the loss that the interval begins with, and time, which forgets. It perturbs like `pbt` until there are
    as many measurements as perturbed dimensions, and at least four.

    Args:
        max_epochs: The epoch at which a trial is finished.
        space: The search space.
        seed: The study's seed.
        population: Number of members.
        interval: Epochs from one comparison to the next; a tenth of `max_epochs` if None.
        quantile: The share of the population that is replaced, and that of those who get heirs.
        perturb: The dimensions that heirs may change, of numbers; all those of real numbers if None.

    Raises:
        OptionError: The options do not fit `max_epochs`, each other, or the space.
    """

    name = "pb2"

    def __init__(
        self, max_epochs: int, space: SearchSpace, seed: int, population: int = 8, interval: int | None = None,
        quantile: float = 0.25, perturb: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(max_epochs, space, seed, population, interval, quantile, perturb=perturb)
        for name in self.names:
            if not space.dimensions[name].ordered:
                numbers = ", ".join(each for each, dimension in space.dimensions.items() if dimension.ordered)
                told = f"names '{name}', a choice, but its model knows numbers only; valid: {numbers or 'none'}"
                raise OptionError(self.name, "perturb", told)
        self.gains: list[Gain] = []
        self._since: dict[int, tuple[int, float]] = {}

    def on_heir(self, trial: int, config: Config, parent: int, epoch: int) -> None:
        """An heir's first interval begins with its parent's loss."""
        super().on_heir(trial, config, parent, epoch)
        inherited = self._members[parent].loss(epoch)
        if inherited is not None:
            self._since[trial] = (epoch, inherited)

    def on_report(self, trial: int, epoch: int, loss: float, more: tuple[float, ...] = ()) -> None:
        """Record a member's loss, and at an interval's end what it gained."""
        super().on_report(trial, epoch, loss, more)
        place = self._members.get(trial)
        if place is None or not self._is_rung(epoch):
            return
        begin, before = self._since.get(trial, (epoch, loss))
        length = (epoch - begin) / self.interval
        if length >= 0.5:
            self.gains.append(Gain(self._point(place.config), epoch / self.interval, before, (before - loss) / length))
        if length >= 0.5 or trial not in self._since:
            self._since[trial] = (epoch, loss)

    def on_end(self, trial: int) -> None:
        """A member that has ended begins no further interval."""
        super().on_end(trial)
        self._since.pop(trial, None)

    def explore(self, parent: Place, rng: np.random.Generator) -> Config:
        """The parent's configuration with the values of the largest upper confidence bound of the gain."""
        if len(self.gains) < max(4, len(self.names)):
            return super().explore(parent, rng)
        for point in best_points(self.bound(parent), len(self.names), rng):
            pairs = zip(self.names, point, strict=True)
            values = {name: self.space.dimensions[name].from_unit(float(at)) for name, at in pairs}
            if (found := completed(self.space, parent.config, values, rng)) is not None:
                return found
        return dict(parent.config)

    def bound(self, parent: Place) -> Callable[[Array], Array]:
        """The bound of what an heir of that parent gains, as a function of the perturbed dimensions alone."""
        gains = self.gains[-_MOST:]
        before = np.array([gain.before for gain in gains])
        low, width = float(before.min()), float(np.ptp(before)) or 1.0
        process = TimeVaryingProcess(
            _joined([gain.point for gain in gains], (before - low) / width),
            np.array([gain.time for gain in gains]),
            np.array([gain.gain for gain in gains]),
        )
        tried = [place for place in self._members.places if place.state in ("running", "paused")]
        begins = np.array([self._last_loss(place) for place in tried])
        upper = process.bound(
            _joined([self._point(place.config) for place in tried], (begins - low) / width),
            np.array([self._next_end(place) for place in tried]),
            self._next_end(parent),
            breadth(len(gains)),
        )
        # The heir starts from the parent's last checkpoint, which may be later than its last interval's end.
        begin = parent.loss(parent.epoch)
        scaled = ((self._last_loss(parent) if begin is None else begin) - low) / width
        return lambda points: upper(_joined(points, np.full(len(points), scaled)))

    def _point(self, config: Config) -> tuple[float, ...]:
        return tuple(
            self.space.dimensions[name].to_unit(config[name]) if name in config else 0.5 for name in self.names
        )

    def _last_loss(self, place: Place) -> float:
        """The loss that an interval of a place's holder began with, or its parent's; the median one if it has none."""
        if place.trial in self._since:
            return self._since[place.trial][1]
        known = place.loss(place.epoch)
        return float(np.median([gain.before for gain in self.gains])) if known is None else known

    def _next_end(self, place: Place) -> float:
        return float(place.epoch // self.interval + 1)


def _joined(points: Sequence[Sequence[float]] | Array, begins: Array) -> Array:
    """Points of the model: the perturbed dimensions, then the loss to begin with; shape ``(n, d + 1)``."""
    return np.column_stack([np.reshape(points, (len(begins), -1)), begins])
