"""How an heir's configuration is made from its parent's: some values perturbed, all within the search space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raise_hpo.errors import nearest
from raise_hpo.history import Config
from raise_hpo.schedule.base import OptionError
from raise_hpo.space import SearchSpace
from raise_hpo.space.dimensions import Dimension, Range, Steps

_TRIES = 100


def perturbed_names(space: SearchSpace, names: Sequence[str] | None, scheduler: str) -> tuple[str, ...]:
    """The dimensions that heirs may change: those named, or all of real numbers.

    Whole numbers and choices are left alone unless named, as a checkpoint may not fit a model of another shape.

    Args:
        space: The search space.
        names: The dimensions that a study file names; None if it names none.
        scheduler: The scheduler's name, for messages.

    Raises:
        OptionError: A name is not in the space, or there is nothing to change.
    """
    check_named(space, names or (), scheduler, "perturb")
    chosen = names if names is not None else real_names(space)
    if not chosen:
        told = "must name dimensions that do not shape the model, as the search space has none of real numbers; valid: "
        raise OptionError(scheduler, "perturb", told + ", ".join(space.dimensions))
    return tuple(chosen)


def check_named(space: SearchSpace, names: Sequence[str], scheduler: str, option: str) -> None:
    """Check that what an option names is in the search space.

    Raises:
        OptionError: A name is not.
    """
    for name in names:
        if name not in space.dimensions:
            known = nearest(name, space.dimensions)
            raise OptionError(scheduler, option, f"names '{name}', which is not in the search space, {known}")


def real_names(space: SearchSpace) -> list[str]:
    """The dimensions of real numbers."""
    return [name for name, each in space.dimensions.items() if _is_real(each)]


def _is_real(dimension: Dimension) -> bool:
    return isinstance(dimension, Range) or (isinstance(dimension, Steps) and not isinstance(dimension.step, int))


class Explorer:
    """Perturbs configurations as population-based training does (Jaderberg et al. 2017, arXiv:1711.09846).

    Each value is drawn anew with some probability and multiplied with one of some factors otherwise. It is then moved
    to the nearest value of its dimension, for a stepped one to another than before. Choices are only drawn anew.

    Args:
        space: The search space.
        names: The dimensions to change.
        factors: What values are multiplied with.
        resample_probability: The chance of a value to be drawn anew.
    """

    def __init__(
        self, space: SearchSpace, names: Sequence[str], factors: Sequence[float], resample_probability: float
    ) -> None:
        self.space = space
        self.names = names
        self.factors = factors
        self.resample_probability = resample_probability

    def explore(self, config: Config, rng: np.random.Generator) -> Config:
        """A configuration near another one; that one itself if a hundred tries were all forbidden."""
        for _ in range(_TRIES):
            moved = {name: self._moved(name, config[name], rng) for name in self.names if name in config}
            if (found := completed(self.space, config, moved, rng)) is not None:
                return found
        return dict(config)

    def _moved(self, name: str, value: Any, rng: np.random.Generator) -> Any:
        dimension = self.space.dimensions[name]
        # Both are drawn always, so that a value's numbers do not depend on what was drawn for those before it.
        anew, factor = rng.random() < self.resample_probability, float(rng.choice(self.factors))
        drawn = dimension.from_unit(rng.random())
        if anew:
            return drawn
        return scaled(dimension, value, factor) if dimension.ordered else value


def scaled(dimension: Dimension, value: float, factor: float) -> Any:
    """A number of a dimension times a factor, on the dimension's nearest value; moved by one step at least."""
    moved = dimension.snap(float(f"{value * factor:.12g}"))
    if moved == value and isinstance(dimension, Steps):
        return dimension.snap(value + math.copysign(dimension.step, value * factor - value))
    return moved


def completed(space: SearchSpace, config: Config, moved: Mapping[str, Any], rng: np.random.Generator) -> Config | None:
    """A configuration with some values replaced, and drawn where that makes others active; None if it is forbidden."""
    drawn = {name: dimension.from_unit(rng.random()) for name, dimension in space.dimensions.items()}
    found = space.only_active({**drawn, **config, **moved})
    return None if space.is_forbidden(found) else found


def changes(before: Config, after: Config) -> str:
    """What differs between two configurations, in words."""
    names = [name for name in after if name not in before or before[name] != after[name]]
    told = [f"{name} {_told(before.get(name))} to {_told(after[name])}" for name in names]
    return ", ".join(told) or "the same configuration"


def _told(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
