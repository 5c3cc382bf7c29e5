"""Configurations as rows of numbers, for models over them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raise_hpo.errors import UserError, nearest
from raise_hpo.space import Choices, Config, SearchSpace

Array = NDArray[np.float64]


class Encoder:
    """Configurations as columns of numbers, for models over them.

    A numeric dimension is one column, its unit coordinate. One of unordered choices is a column a choice. A conditional
    dimension has a further column that tells whether it is active, and lies in its middle where it is not.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space

    def encode(self, configs: Iterable[Config]) -> Array:
        """The configurations, shape ``(configs, columns)``; numbers outside a dimension are moved to its edge.

        Raises:
            UserError: A configuration lacks a dimension, or has a choice that the space does not know.
        """
        return np.array([self._row(config) for config in configs], dtype=np.float64)

    def _row(self, config: Config) -> list[float]:
        row: list[float] = []
        for name, dimension in self.space.dimensions.items():
            active = name in config
            if not active and name not in self.space.conditions:
                raise UserError(f"the configuration has no {name}, which the table of curves has")
            if isinstance(dimension, Choices) and not dimension.ascending:
                row += _one_hot(name, dimension, config.get(name), active)
            else:
                row.append(dimension.to_unit(_moved_inside(dimension, config[name])) if active else 0.5)
            if name in self.space.conditions:
                row.append(float(active))
        return row


def _one_hot(name: str, dimension: Choices, value: Any, active: bool) -> list[float]:
    """Columns in which two different choices are at distance 1, as the ends of a range are."""
    if active and not dimension.contains(value):
        raise UserError(f"{name} is {value!r}, which no row has: {nearest(value, map(str, dimension.values))}")
    chosen = dimension.index(value) if active else None
    return [np.sqrt(0.5) * (number == chosen) for number in range(dimension.size)]


def _moved_inside(dimension: Any, value: Any) -> Any:
    if isinstance(dimension, Choices):
        return min(dimension.values, key=lambda own: abs(own - value))
    return dimension.snap(value)
