"""Configurations as rows of numbers in which near means alike, for models over a search space."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from raise_hpo.errors import UserError, nearest
from raise_hpo.space.dimensions import Choices, Dimension, Value
from raise_hpo.space.space import SearchSpace


class Encoder:
    """Turns configurations into rows of numbers in [0, 1].

    A range or steps give one column, on their own scale. So does a choice of numbers in rising order (by place) and one
    of two values. Any other choice gives a column a value, in which two different values are at distance 1, as the ends
    of a range are. A dimension with a condition gives one more column, 1 where it is active; its own stand in the
    middle where it is not.

    Args:
        space: The search space.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._widths = {name: _width(dimension) for name, dimension in space.dimensions.items()}
        self.width = sum(self._widths.values()) + len(space.conditions)

    def encode(self, configs: Iterable[Mapping[str, Value]], partial: bool = False) -> NDArray[np.float64]:
        """The rows, shape ``(configurations, width)``; numbers outside a dimension are moved to its edge.

        Args:
            configs: The configurations.
            partial: Put dimensions that a configuration lacks in the middle.

        Raises:
            UserError: A configuration lacks a dimension, or has a choice that the space does not know.
        """
        return np.array([self._row(config, partial) for config in configs], dtype=float).reshape(-1, self.width)

    def _row(self, config: Mapping[str, Value], partial: bool) -> list[float]:
        row: list[float] = []
        for name, dimension in self.space.dimensions.items():
            active = name in config
            if not active and not partial and name not in self.space.conditions:
                raise UserError(f"the configuration has no {name}, which the search space has")
            row += _columns(name, dimension, config[name]) if active else [0.5] * self._widths[name]
            if name in self.space.conditions:
                row.append(float(active))
        return row


def _width(dimension: Dimension) -> int:
    return dimension.size if isinstance(dimension, Choices) and not _one_column(dimension) else 1


def _one_column(dimension: Choices) -> bool:
    return dimension.size <= 2 or dimension.ascending


def _columns(name: str, dimension: Dimension, value: Value) -> list[float]:
    if not isinstance(dimension, Choices):
        return [dimension.to_unit(dimension.snap(value))]
    place = _place(name, dimension, value)
    if _one_column(dimension):
        return [place / max(1, dimension.size - 1)]
    return [math.sqrt(0.5) * (place == each) for each in range(dimension.size)]


def _place(name: str, dimension: Choices, value: Value) -> int:
    """A value's number among the choices, or that of the nearest one among numbers."""
    if dimension.contains(value):
        return dimension.index(value)
    if dimension.ascending and isinstance(value, int | float):
        return min(range(dimension.size), key=lambda place: abs(dimension.values[place] - value))
    raise UserError(f"{name} is {value!r}, which no row has: {nearest(value, map(str, dimension.values))}")
