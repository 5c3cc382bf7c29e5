"""A search space in the terms that all packages know: real numbers, whole numbers, categories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from raise_hpo.errors import UserError
from raise_hpo.space import SearchSpace
from raise_hpo.space.dimensions import Choices, Dimension, Range, Steps, Value


@dataclass(frozen=True)
class Axis:
    """One hyperparameter as a peer is told of it.

    Attributes:
        key: The name for the peer; some packages refuse dots and other letters in names.
        kind: ``real`` and ``whole`` have bounds, both included, and may be logarithmic; ``category`` has labels. A
            choice of numbers in rising order is whole, the choice's index, so that the order is told.
        log: Whether the scale is logarithmic.
    """

    name: str
    key: str
    dimension: Dimension

    @property
    def kind(self) -> Literal["real", "whole", "category"]:
        match self.dimension:
            case Range():
                return "real"
            case Steps():
                return "whole"
            case Choices() as choices if choices.ascending:
                return "whole"
        return "category"

    @property
    def log(self) -> bool:
        return bool(getattr(self.dimension, "log", False))

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest value; steps are counted, so that multiples of anything are whole numbers."""
        if isinstance(self.dimension, Choices):
            return 0, self.dimension.size - 1
        if isinstance(self.dimension, Steps):
            first = round(self.dimension.low / self.dimension.step)
            return first, first + self.dimension.size - 1
        assert isinstance(self.dimension, Range)
        return self.dimension.low, self.dimension.high

    @property
    def labels(self) -> list[str]:
        """The names of the categories; text, so that no package takes them for numbers."""
        assert isinstance(self.dimension, Choices)
        return [f"choice{index}" for index in range(self.dimension.size)]

    def value(self, told: Any) -> Value:
        """What a peer proposes, as a value of the dimension."""
        match self.dimension:
            case Choices(values):
                return values[int(told) if self.kind == "whole" else self.labels.index(str(told))]
            case Steps(step=step):
                return self.dimension.snap(int(told) * step)
        return self.dimension.snap(float(told))


class Axes(list[Axis]):
    """All axes of a search space; a hyperparameter with a single value is none, as some packages refuse it.

    Conditions are told to no peer, as few can express them: each proposes values for all hyperparameters, and those
    that are not active are dropped.

    Raises:
        UserError: the space has forbidden combinations, which few packages can be told.
    """

    def __init__(self, space: SearchSpace) -> None:
        if space.forbidden:
            raise UserError("the search space has forbidden combinations, which peers cannot be told")
        self.space = space
        named = enumerate(space.dimensions.items())
        super().__init__(Axis(name, f"x{index}", each) for index, (name, each) in named if each.size != 1)
        self._constants = {name: each.from_unit(0.5) for name, each in space.dimensions.items() if each.size == 1}

    def config(self, told: Mapping[str, Any]) -> dict[str, Value]:
        """A peer's proposal as a configuration of the space."""
        values = {axis.name: axis.value(told[axis.key]) for axis in self}
        return self.space.only_active({**self._constants, **values})
