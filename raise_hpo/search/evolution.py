"""Regularised evolution: a genetic algorithm whose population ages."""

from __future__ import annotations

import numpy as np

from raise_hpo.history import Config, History
from raise_hpo.search.base import Searcher
from raise_hpo.search.outcomes import Codes, Outcome, outcomes
from raise_hpo.space import Choices, Dimension, SearchSpace, Value

Individual = Outcome[Config]
_DOUBLINGS = 20


class EvolutionSearcher(Searcher):
    """Regularised evolution (Real et al., AAAI 2019, arXiv:1802.01548), with crossover.

    The population is the latest trials that have an outcome; who is old leaves it, however good, so that one lucky
    training does not rule for ever. A parent is the best of a few random members. With some probability a second one is
    chosen so, and each gene comes from one of the two. Then one gene, and each other with a small probability, mutates:
    a number moves on its own scale, a category becomes another. The population is renewed after every `offspring`
    trials; from 6 to 8 was best for a generative network of calorimeter showers (Khattak et al., CERN openlab).

    Args:
        space: The search space.
        seed: The study's seed.
        population: Trials in the population; as many random ones come first.
        tournament: Random members among which a parent is the best.
        offspring: Trials of a generation.
        crossover: Probability of a second parent.
        mutation: Probability that a gene beyond the first one mutates.
        sigma: Standard deviation of a number's mutation, as a share of its range.
    """

    name = "evolution"

    def __init__(
        self, space: SearchSpace, seed: int, population: int = 16, tournament: int = 8, offspring: int = 8,
        crossover: float = 0.5, mutation: float = 0.1, sigma: float = 0.1,
    ) -> None:  # fmt: skip
        super().__init__(space, seed)
        self._population = population
        self._tournament = tournament
        self._offspring = offspring
        self._crossover = crossover
        self._mutation = mutation
        self._sigma = sigma
        self._codes: Codes[Config] = Codes(space, dict)
        self._changeable = [name for name, dimension in space.dimensions.items() if dimension.size != 1]

    def suggest(self, trial: int, history: History) -> Config | None:
        """A random configuration until there is a population, then a child of it."""
        population = self.population(history)
        rng = self.rng(trial)
        if len(population) < self._population or not self._changeable:
            return self.space.sample(rng)
        return self.allowed(trial, lambda: self.child(population, rng))

    def population(self, history: History) -> list[Individual]:
        """The latest trials that have an outcome, as they were after the last full generation."""
        known = outcomes(history, self.rungs, self._codes)
        generations = max(len(known) - self._population, 0) // self._offspring
        return known[: self._population + generations * self._offspring][-self._population :]

    def child(self, population: list[Individual], rng: np.random.Generator) -> Config:
        """A mutated copy of a parent, or of a cross of two."""
        genes = dict(self._parent(population, rng))
        if rng.random() < self._crossover:
            other = self._parent(population, rng)
            genes |= {name: value for name, value in other.items() if name not in genes or rng.random() < 0.5}
        full = {
            name: genes[name] if name in genes else dimension.from_unit(rng.random())
            for name, dimension in self.space.dimensions.items()
        }
        return self._mutated(full, rng)

    def _parent(self, population: list[Individual], rng: np.random.Generator) -> Config:
        """The best of some random members."""
        size = min(self._tournament, len(population))
        members: list[Individual] = [
            population[index] for index in rng.choice(len(population), size=size, replace=False)
        ]
        return min(members, key=lambda member: member.standing).code

    def _mutated(self, genes: Config, rng: np.random.Generator) -> Config:
        """The genes' configuration with at least one of its active genes changed."""
        active = [name for name in self.space.active(genes) if name in self._changeable]
        sure = active[int(rng.integers(len(active)))] if active else None
        for name in active:
            if name == sure or rng.random() < self._mutation:
                genes[name] = mutated(self.space.dimensions[name], genes[name], self._sigma, rng)
        return self.space.only_active(genes)


def mutated(dimension: Dimension, value: Value, sigma: float, rng: np.random.Generator) -> Value:
    """Another value of the dimension: any other category, or a number not far on its scale."""
    if isinstance(dimension, Choices):
        others = [index for index in range(len(dimension.values)) if index != dimension.index(value)]
        return dimension.grid(1)[others[int(rng.integers(len(others)))]]
    unit = dimension.to_unit(value)
    for doubling in range(_DOUBLINGS):
        moved = dimension.from_unit(_reflected(unit + rng.normal() * sigma * 2**doubling))
        if moved != value:
            return moved
    raise AssertionError(f"{dimension.notation} has one value only")


def _reflected(unit: float) -> float:
    """Into [0, 1], by reflection at both ends."""
    folded = abs(unit) % 2
    return 2 - folded if folded > 1 else folded
