"""The covariance matrix adaptation evolution strategy, for mixed search spaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from raise_hpo.history import Config, History
from raise_hpo.search.base import Searcher
from raise_hpo.search.outcomes import Codes, Fold, Outcome, outcomes, ranks
from raise_hpo.space import Choices, SearchSpace, Value

_MOST_STEPS = 64
"""Dimensions with more steps than this are searched as continuous ones and put on the nearest step."""

_INSIDE = 1e-9

Point = tuple[float | None, ...]
Generation = tuple[Outcome[Point], ...]


class CMAESSearcher(Searcher):
    """CMA-ES (Hansen & Ostermeier, Evol. Comput. 9, 2001) in its mixed form, CatCMA with margin (Hamano et al. 2025).

    A normal distribution over the numbers (in the unit cube: logarithmic dimensions on their own scale) and a
    categorical one over the choices are moved, generation by generation, towards the better half of the trials. Steps
    keep a margin of probability, so that none dies out. The implementation is the package ``cmaes``.

    With several trials at a time, those that have an outcome are taken up in the order in which they got it, a
    generation at a time, whichever generation they were drawn from; the strategy takes such foreign solutions well
    (Hansen 2011, arXiv:1110.4181). An inactive dimension counts as a fresh draw, which pulls the distribution nowhere.

    Args:
        space: The search space.
        seed: The study's seed.
        population: Trials a generation; None for ``4 + floor(3 ln(dimensions))``.
        sigma: Standard deviation of the first generation, as a share of each dimension's range.
    """

    name = "cmaes"

    def __init__(self, space: SearchSpace, seed: int, population: int | None = None, sigma: float = 0.2) -> None:
        super().__init__(space, seed)
        self._layout = Layout(space)
        self._population = population or 4 + int(3 * np.log(max(len(self._layout), 1)))
        self._sigma = sigma
        self._codes = Codes(space, self._layout.code)
        self._fold: Fold[Any, Generation] = Fold(self._start, self._tell)

    def suggest(self, trial: int, history: History) -> Config | None:
        """A draw from the distribution after the last full generation."""
        if not len(self._layout):
            return self.space.sample(self.rng(trial))
        known = outcomes(history, self.rungs, self._codes)
        size = self._population
        generations = [tuple(known[end - size : end]) for end in range(size, len(known) + 1, size)]
        strategy = self._fold(generations)
        strategy.reseed_rng(int(self.rng(trial).integers(2**32)))
        return self.allowed(trial, lambda: self._layout.config(strategy.ask()))

    def _start(self) -> Any:
        return self._layout.strategy(self._population, self._sigma)

    def _tell(self, strategy: Any, generation: Generation) -> None:
        """Move the distribution by one generation; only the order of the outcomes counts."""
        strategy.reseed_rng(self.seed % 2**32)
        solutions = [self._layout.solution(strategy.ask(), outcome.code) for outcome in generation]
        values = ranks([outcome.standing for outcome in generation])
        strategy.tell([(solution, float(value)) for solution, value in zip(solutions, values, strict=True)])


class Layout:
    """Which dimensions ``cmaes.CatCMAwM`` holds as ranges, as steps and as categories, in this order in a point.

    Dimensions with a single value are left out. Those with two values are categories, as its authors advise.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        sizes = {name: dimension.size or np.inf for name, dimension in space.dimensions.items()}
        chosen = {name for name, dimension in space.dimensions.items() if isinstance(dimension, Choices)}
        self.fixed = [name for name, size in sizes.items() if size == 1]
        self.categories = [name for name, size in sizes.items() if size == 2 or (name in chosen and size > 1)]
        self.steps = [name for name, size in sizes.items() if 2 < size <= _MOST_STEPS and name not in chosen]
        self.ranges = [name for name, size in sizes.items() if size > _MOST_STEPS and name not in chosen]
        self.values = {
            name: space.dimensions[name].grid(1) for name in (*self.fixed, *self.categories, *self.steps)
        }  # fmt: skip
        self.units = [[space.dimensions[name].to_unit(value) for value in self.values[name]] for name in self.steps]
        self._cells = [_cells(units) for units in self.units]

    def __len__(self) -> int:
        return len(self.ranges) + len(self.steps) + len(self.categories)

    def strategy(self, population: int, sigma: float) -> Any:
        """The distribution before the first generation."""
        from cmaes import CatCMAwM

        numbers = len(self.ranges) + len(self.steps)
        return CatCMAwM(
            x_space=[[0.0, 1.0]] * len(self.ranges) or None,
            z_space=self.units or None,
            c_space=[len(self.values[name]) for name in self.categories] or None,
            population_size=population,
            cov=np.eye(numbers) * sigma**2,
        )

    def code(self, config: Config) -> Point:
        """Units of ranges, cell numbers of steps and category numbers; None where inactive."""
        unit = dict(zip(self.space.dimensions, self.space.to_unit(config), strict=True))
        numbers = [float(unit[name]) if name in config else None for name in self.ranges]
        listed = [
            float(self._number(name, config[name])) if name in config else None
            for name in (*self.steps, *self.categories)
        ]
        return (*numbers, *listed)

    def _number(self, name: str, value: Value) -> int:
        dimension = self.space.dimensions[name]
        return dimension.index(value) if isinstance(dimension, Choices) else self.values[name].index(value)

    def solution(self, drawn: Any, point: Point) -> Any:
        """A trial as if it had been drawn now: the draw, with all that is known of the trial put in.

        A step says no more of the normal variable behind it than its cell; the draw is moved into that cell.
        """
        ranges, steps = len(self.ranges), len(self.ranges) + len(self.steps)
        raw = np.copy(drawn._v_raw) if steps else None
        categories = np.copy(drawn.c) if self.categories else None
        for axis, value in enumerate(point):
            if value is None:
                continue
            if raw is not None and axis < ranges:
                raw[axis] = value
            elif raw is not None and axis < steps:
                raw[axis] = np.clip(raw[axis], *self._cells[axis - ranges][int(value)])
            elif categories is not None:
                categories[axis - steps] = np.arange(categories.shape[1]) == int(value)
        return replace(drawn, c=categories, _v_raw=raw)

    def config(self, drawn: Any) -> Config:
        """The configuration of a draw."""
        values: Config = {name: self.values[name][0] for name in self.fixed}
        for name, unit in zip(self.ranges, () if drawn.x is None else drawn.x, strict=True):
            values[name] = self.space.dimensions[name].from_unit(unit)
        for name, units, unit in zip(self.steps, self.units, () if drawn.z is None else drawn.z, strict=True):
            values[name] = self.values[name][units.index(unit)]
        for name, category in zip(self.categories, () if drawn.c is None else drawn.c, strict=True):
            values[name] = self.values[name][int(np.argmax(category))]
        return self.space.only_active(values)


def _cells(units: Sequence[float]) -> list[tuple[float, float]]:
    """For each step the numbers that are nearest to it; the first and the last cell are open."""
    middles = [(one + next_) / 2 for one, next_ in pairwise(units)]
    return [(low + _INSIDE, high - _INSIDE) for low, high in pairwise([-np.inf, *middles, np.inf])]
