"""Configurations as vectors in which near means alike, for models over a search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from raise_hpo.space.dimensions import Choices, Dimension, Value, is_number
from raise_hpo.space.space import SearchSpace


class Encoder:
    """Turns configurations into rows of numbers in [0, 1].

    A range or steps give one number, on their own scale. So does a choice of numbers in rising or falling order (by
    place), and one of two values. Any other choice gives a number a value, 1 where it was taken. A dimension with a
    condition gives one more number, 1 where it is active; its own stand in the middle where it is not.

    Args:
        space: The search space.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._widths = {name: _width(dimension) for name, dimension in space.dimensions.items()}
        self.width = sum(self._widths.values()) + len(space.conditions)

    def encode(self, configs: Sequence[Mapping[str, Value]]) -> NDArray[np.float64]:
        """The vectors, shape ``(configurations, width)``."""
        return np.array([self._row(config) for config in configs], dtype=float).reshape(len(configs), self.width)

    def _row(self, config: Mapping[str, Value]) -> list[float]:
        row: list[float] = []
        for name, dimension in self.space.dimensions.items():
            active = name in config
            row += _place(dimension, config[name]) if active else [0.5] * self._widths[name]
            if name in self.space.conditions:
                row.append(float(active))
        return row


def _width(dimension: Dimension) -> int:
    return len(dimension.values) if isinstance(dimension, Choices) and not _ordered(dimension) else 1


def _ordered(dimension: Choices) -> bool:
    values = list(dimension.values)
    numbers = all(is_number(value) for value in values)
    return len(values) <= 2 or (numbers and values in (sorted(values), sorted(values, reverse=True)))


def _place(dimension: Dimension, value: Value) -> list[float]:
    if not isinstance(dimension, Choices):
        return [dimension.to_unit(value)]
    index = dimension.index(value)
    if _ordered(dimension):
        return [index / max(1, len(dimension.values) - 1)]
    return [float(index == each) for each in range(len(dimension.values))]
