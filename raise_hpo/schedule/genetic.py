"""A hybrid genetic algorithm: configurations, weights and structure evolve between stretches of gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from raise_hpo.history import Config
from raise_hpo.schedule.base import Heir, OptionError
from raise_hpo.schedule.explore import changes, check_named, completed, real_names, scaled
from raise_hpo.schedule.pbt import PBT
from raise_hpo.schedule.population import Place
from raise_hpo.space import SearchSpace
from raise_hpo.space.dimensions import Choices, Dimension

_LARGER = 1.5
"""What a number that grows is multiplied with, before it is moved to its dimension's nearest value."""


class Genetic(PBT):
    """Evolution of a population whose members train in between, as in memetic algorithms.

    Pick it where a network's size is to be found along with its weights and settings. Members train, are compared and
    are replaced as in `PBT`; how heirs are made differs:

    - With probability `crossover` an heir has two parents. Each of its settings comes from one of them, and so does
      each unit of its network: Montana & Davis (IJCAI 1989) call it crossing nodes. A mate is one of the better half
      that agrees with the first parent in all settings that heirs may not change, so that the weights fit.
    - Its settings are perturbed as in `PBT`, and its weights get some noise.
    - With probability `grow_probability` one of the settings that give the network its size moves to its next larger
      value. The trainable makes the larger network compute what the smaller one did (`raise_hpo.Trainable.grown`), as
      in Net2Net (Chen, Goodfellow & Shlens 2016, arXiv:1511.05641).

    The idea of evolving architecture and weights of a network for calorimeter showers at once, with gradient steps in
    between and 6 to 8 members, is of Khattak et al., "Distributed training of GANs for fast simulation" (CERN openlab).

    Args:
        max_epochs: The epoch at which a trial is finished.
        space: The search space.
        seed: The study's seed.
        population: Number of members.
        interval: Epochs from one comparison to the next; a tenth of `max_epochs` if None.
        quantile: The share of the population that is replaced, and that of those who get heirs.
        resample_probability: The chance of a perturbed value to be drawn anew.
        factors: What values are multiplied with otherwise.
        perturb: The dimensions that heirs may change; all those of real numbers that do not grow if None.
        crossover: The chance of a second parent.
        mutation: Standard deviation of the noise on weights, as a share of a layer's root mean square.
        grow: The dimensions that give the network its size: numbers, or choices of rising numbers.
        grow_probability: The chance that one of them becomes larger.

    Raises:
        OptionError: The options do not fit `max_epochs`, each other, or the space.
    """

    name = "genetic"

    def __init__(
        self, max_epochs: int, space: SearchSpace, seed: int, population: int = 8, interval: int | None = None,
        quantile: float = 0.25, resample_probability: float = 0.25, factors: Sequence[float] = (0.8, 1.2),
        perturb: Sequence[str] | None = None, crossover: float = 0.5, mutation: float = 0.02,
        grow: Sequence[str] = (), grow_probability: float = 0.25,
    ) -> None:  # fmt: skip
        check_named(space, grow, self.name, "grow")
        for name in grow:
            _check_growing(space, name, perturb or ())
        if perturb is None:
            perturb = [name for name in real_names(space) if name not in grow]
        super().__init__(
            max_epochs, space, seed, population, interval, quantile, resample_probability, factors, perturb
        )
        self.crossover = crossover
        self.mutation = mutation
        self.growing = tuple(grow)
        self.grow_probability = grow_probability

    def offspring(self, parent: Place, place: Place, rng: np.random.Generator) -> Heir:
        """The heir of a parent, and of a mate if there is one, for a vacant place."""
        mate = self._mate(parent, place, rng)
        crossed = parent.config if mate is None else self._crossed(parent.config, mate.config, rng)
        config = self._grown(self._explorer.explore(crossed, rng), rng)
        both = f"crossed with trial {mate.trial}; " if mate else ""
        why = f"in place of trial {place.trial}; {both}{changes(parent.config, config)}"
        return Heir(parent.trial, config, why, mate.trial if mate else None, self.mutation)

    def _mate(self, parent: Place, place: Place, rng: np.random.Generator) -> Place | None:
        """A second parent, drawn from the better half of the population; None if there is to be none or is none."""
        if rng.random() >= self.crossover:
            return None
        ranked = self._members.ranked(place.epoch or self.max_epochs)
        better = ranked[: max(2, len(ranked) // 2)]
        fitting = [
            each for each in better
            if each not in (parent, place) and each.may_be_inherited and self._fits(each.config, parent.config)
        ]  # fmt: skip
        return fitting[int(rng.integers(len(fitting)))] if fitting else None

    def _fits(self, mate: Config, parent: Config) -> bool:
        """Whether two configurations differ in nothing but what heirs may change, so that the weights fit."""
        fixed = (set(mate) | set(parent)) - set(self.names)
        return all(name in mate and name in parent and mate[name] == parent[name] for name in fixed)

    def _crossed(self, parent: Config, mate: Config, rng: np.random.Generator) -> Config:
        """Each setting of one of two configurations; the parent's if that is forbidden."""
        taken = {name: mate[name] for name in self.names if rng.random() < 0.5 and name in mate}
        return completed(self.space, parent, taken, rng) or dict(parent)

    def _grown(self, config: Config, rng: np.random.Generator) -> Config:
        """The configuration, with some probability of a larger network."""
        if rng.random() >= self.grow_probability:
            return config
        larger = {
            name: value for name in self.growing
            if name in config and (value := next_larger(self.space.dimensions[name], config[name])) is not None
        }  # fmt: skip
        if not larger:
            return config
        name = list(larger)[int(rng.integers(len(larger)))]
        return completed(self.space, config, {name: larger[name]}, rng) or config


def next_larger(dimension: Dimension, value: Any) -> Any:
    """The value that a growing dimension has next; None after the largest."""
    if isinstance(dimension, Choices):
        following = dimension.index(value) + 1
        return dimension.values[following] if following < len(dimension.values) else None
    moved = scaled(dimension, value, _LARGER)
    return moved if moved > value else None


def _check_growing(space: SearchSpace, name: str, perturb: Sequence[str]) -> None:
    dimension = space.dimensions[name]
    if isinstance(dimension, Choices) and not dimension.ascending:
        told = f"names '{name}', whose values {dimension.notation} are not numbers in rising order"
        raise OptionError(Genetic.name, "grow", told)
    if name in perturb:
        raise OptionError(Genetic.name, "grow", f"names '{name}', which 'perturb' names, too; valid: one of them")
