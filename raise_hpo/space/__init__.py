"""Search spaces as data: ranges, steps, choices, conditions and forbidden combinations."""

from raise_hpo.space.dimensions import Choices, Dimension, Range, Steps, Value
from raise_hpo.space.errors import SpaceError
from raise_hpo.space.nesting import flatten, nest
from raise_hpo.space.space import Config, SearchSpace, config_key

__all__ = [
    "Choices", "Config", "Dimension", "Range", "SearchSpace", "SpaceError", "Steps", "Value", "config_key", "flatten",
    "nest",
]  # fmt: skip
