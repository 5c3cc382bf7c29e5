"""Configurations of one search space moved into another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raise_hpo.history import Config
from raise_hpo.space import Choices, Dimension, SearchSpace
from raise_hpo.space.dimensions import is_number


def moved(config: Config, space: SearchSpace, default: Config) -> Config | None:
    """The nearest configuration of a space to one of another space; None if it is forbidden there.

    Args:
        config: A configuration of any space.
        space: The space to move it into.
        default: Where dimensions that `config` does not have take their values from, as far as it has them; those that
            neither has come to the middle of their range.
    """
    found: Config = {}
    for name, dimension in space.dimensions.items():
        if space.is_active(name, found):
            found[name] = _value(name, dimension, (config, default))
    return found if space.contains(found) else None


def _value(name: str, dimension: Dimension, sources: Sequence[Config]) -> Any:
    """The first source's value that the dimension has or can move into its range, else its middle."""
    for source in sources:
        if name in source:
            snapped = _snapped(dimension, source[name])
            if dimension.contains(snapped):
                return snapped
    return dimension.from_unit(0.5)


def _snapped(dimension: Dimension, value: Any) -> Any:
    """The dimension's nearest value where both are numbers, else the value itself."""
    if not is_number(value):
        return value
    if isinstance(dimension, Choices):
        return min(dimension.values, key=lambda own: abs(own - value)) if dimension.ascending else value
    return dimension.snap(value)
