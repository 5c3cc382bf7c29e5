"""The dimensions of a search space: ranges, steps and choices, each mapped to the unit interval and back.

A dimension knows its values only. Under which condition it is active is the search space's business.
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from raise_hpo.space.errors import shown
from raise_hpo.yaml_source import dump_flow

Value = Any
"""A plain Python value: text, number, bool, None or a list of those."""

_BELOW_ONE = math.nextafter(1.0, 0.0)
_DIGITS = 12


class Dimension(ABC):
    """One hyperparameter's values and their scale.

    ``size`` is the number of values, None for a continuous dimension. ``ordered`` tells numbers from categories.
    """

    size: int | None
    ordered: bool = True

    @abstractmethod
    def from_unit(self, u: float) -> Value:
        """The value at ``u`` in [0, 1): equal lengths are equally likely."""

    @abstractmethod
    def to_unit(self, value: Value) -> float:
        """Where a value of this dimension lies in [0, 1); the middle of its interval for discrete ones."""

    @abstractmethod
    def contains(self, value: Value) -> bool:
        """Whether it is one of this dimension's values."""

    @abstractmethod
    def snap(self, value: Value) -> Value:
        """The nearest of this dimension's values, for searchers that propose between them."""

    @property
    @abstractmethod
    def form(self) -> str:
        """The name of the form it is written in."""

    @property
    @abstractmethod
    def arguments(self) -> list[Any]:
        """The form's arguments."""

    @property
    def notation(self) -> str:
        """How it is written in a study file: ``loguniform(0.0001, 0.03)``."""
        return f"{self.form}({', '.join(_written(argument) for argument in self.arguments)})"

    def grid(self, points: int) -> list[Value]:
        """All values of a discrete dimension; of a continuous one the middles of ``points`` intervals."""
        count = self.size or points
        return [self.from_unit((index + 0.5) / count) for index in range(count)]


@dataclass(frozen=True)
class Range(Dimension):
    """All numbers from ``low`` to ``high``, both included, on a linear or logarithmic scale.

    Values are rounded to twelve digits of the range's width, or on a logarithmic scale to twelve significant ones.
    """

    low: float
    high: float
    log: bool = False
    size = None

    def from_unit(self, u: float) -> float:
        """The value at ``u`` in [0, 1)."""
        if self.log:
            value = math.exp(math.log(self.low) * (1 - u) + math.log(self.high) * u)
            return self.snap(float(f"{value:.{_DIGITS}g}"))
        decimals = _DIGITS - math.floor(math.log10(self.high - self.low))
        return self.snap(round(self.low + (self.high - self.low) * u, decimals))

    def to_unit(self, value: Value) -> float:
        """Where the value lies in [0, 1)."""
        low, high, x = (math.log(self.low), math.log(self.high), math.log(value)) if self.log else self._linear(value)
        return min(max((x - low) / (high - low), 0.0), _BELOW_ONE)

    def contains(self, value: Value) -> bool:
        """Whether it is a number within the bounds."""
        return is_number(value) and self.low <= value <= self.high

    def snap(self, value: Value) -> float:
        """The value, or the bound that it exceeds."""
        return float(min(max(value, self.low), self.high))

    @property
    def form(self) -> str:
        """``uniform`` or ``loguniform``."""
        return "loguniform" if self.log else "uniform"

    @property
    def arguments(self) -> list[Any]:
        """The two bounds."""
        return [self.low, self.high]

    def _linear(self, value: float) -> tuple[float, float, float]:
        return self.low, self.high, value


@dataclass(frozen=True)
class Steps(Dimension):
    """The multiples of ``step`` from ``low`` to ``high``, both included; whole numbers if all three are.

    On a linear scale all are equally likely. On a logarithmic one a value's weight is the length of its interval
    of numbers that round to it, in the logarithm.
    """

    low: float
    high: float
    step: float
    log: bool = False
    form: str = "quniform"

    @property
    def size(self) -> int:  # type: ignore[override]
        """The number of values."""
        return self._last - self._first + 1

    def from_unit(self, u: float) -> int | float:
        """The value at ``u`` in [0, 1)."""
        if not self.log:
            return self._value(self._first + math.floor(u * self.size))
        low, high = self._log_ends()
        return self._value(math.floor(math.exp(low + (high - low) * u) + 0.5))

    def to_unit(self, value: Value) -> float:
        """The middle of the value's interval in [0, 1)."""
        index = self._index(value)
        if not self.log:
            return (index - self._first + 0.5) / self.size
        low, high = self._log_ends()
        return min((math.log(index) - low) / (high - low), _BELOW_ONE)

    def contains(self, value: Value) -> bool:
        """Whether it is a number on a step within the bounds."""
        return is_number(value) and self.low <= value <= self.high and self._value(self._index(value)) == value

    def snap(self, value: Value) -> int | float:
        """The nearest step."""
        return self._value(self._index(min(max(value, self.low), self.high)))

    @property
    def arguments(self) -> list[Any]:
        """Bounds and step; the forms without a step exclude their upper bound."""
        if self.form in ("randint", "lograndint"):
            return [self.low, self.high + 1]
        return [self.low, self.high, self.step]

    def grid(self, points: int) -> list[Value]:
        """All values."""
        return [self._value(index) for index in range(self._first, self._last + 1)]

    @property
    def _first(self) -> int:
        return self._index(self.low)

    @property
    def _last(self) -> int:
        return self._index(self.high)

    def _index(self, value: float) -> int:
        return round(value / self.step)

    def _value(self, index: int) -> int | float:
        index = min(max(index, self._first), self._last)
        if isinstance(self.step, int):
            return index * self.step
        return float(index * Decimal(repr(self.step)))

    def _log_ends(self) -> tuple[float, float]:
        return math.log(self._first - 0.5), math.log(self._last + 0.5)


@dataclass(frozen=True)
class Choices(Dimension):
    """One of some values without an order."""

    values: Sequence[Value]
    ordered = False

    @property
    def size(self) -> int:  # type: ignore[override]
        """The number of values."""
        return len(self.values)

    def from_unit(self, u: float) -> Value:
        """The value at ``u`` in [0, 1)."""
        return copy.deepcopy(self.values[min(int(u * self.size), self.size - 1)])

    def to_unit(self, value: Value) -> float:
        """The middle of the value's interval in [0, 1)."""
        return (self.index(value) + 0.5) / self.size

    def contains(self, value: Value) -> bool:
        """Whether it is one of the values."""
        return any(same(value, own) for own in self.values)

    def snap(self, value: Value) -> Value:
        """The value itself, as there is no nearest one."""
        return value

    def index(self, value: Value) -> int:
        """The value's number."""
        return next(number for number, own in enumerate(self.values) if same(value, own))

    @property
    def ascending(self) -> bool:
        """Whether the values are numbers in rising order, so that neighbours in the list are neighbours in value."""
        return all(map(is_number, self.values)) and list(self.values) == sorted(self.values)

    @property
    def form(self) -> str:
        """``choice``."""
        return "choice"

    @property
    def arguments(self) -> list[Any]:
        """The list of values."""
        return [list(self.values)]


def is_number(value: Value) -> bool:
    """Whether it is a number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(one: Value, other: Value) -> bool:
    """Equality in which true is not 1, and lists are compared item by item."""
    if isinstance(one, list) or isinstance(other, list):
        both = isinstance(one, list) and isinstance(other, list)
        return both and len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _written(argument: Any) -> str:
    return repr(argument) if is_number(argument) else dump_flow(argument)


def out_of(dimension: Dimension, value: Value) -> str:
    """Say that the value is none of the dimension's."""
    return f"is {shown(value)}, which is not in {shown_notation(dimension)}"


def shown_notation(dimension: Dimension, limit: int = 120) -> str:
    """The notation, shortened where a choice is long."""
    text = dimension.notation
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
