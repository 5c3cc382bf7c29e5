"""Makes a dimension from its form and arguments, and says what is wrong where they make none."""

import math
from decimal import Decimal
from typing import Any

from raise_hpo.space.dimensions import Choices, Dimension, Range, Steps, is_number, same
from raise_hpo.space.errors import SpaceError, shown
from raise_hpo.space.grammar import signature

_MOST_STEPS = 10**12


def make_dimension(form: str, arguments: list[Any]) -> Dimension:
    """Make the dimension ``form(*arguments)``.

    Raises:
        SpaceError: the arguments are no numbers, or describe an empty or impossible range.
    """
    if form == "choice":
        return _choices(arguments[0])
    written = f"{form}({', '.join(str(argument) for argument in arguments)})"
    _refuse_not_numbers(form, arguments, written)
    if form in ("uniform", "loguniform"):
        return _range(form, written, *arguments)
    if form in ("randint", "lograndint"):
        return _whole_numbers(form, written, *arguments)
    return _steps(form, written, *arguments)


def _refuse_not_numbers(form: str, arguments: list[Any], written: str) -> None:
    whole = "int" in form
    for argument in arguments:
        if not is_number(argument) or not math.isfinite(argument):
            raise SpaceError(f"is {written}, but {shown(argument)} is not a finite number; valid: {signature(form)}")
        if whole and not isinstance(argument, int):
            raise SpaceError(f"is {written}, but {form} takes whole numbers only")
    if "log" in form and arguments[0] <= 0:
        raise SpaceError(f"is {written}, but a logarithmic scale needs a low bound above 0")


def _range(form: str, written: str, low: float, high: float) -> Range:
    _refuse_reversed(low, high, written)
    low, high = float(low), float(high)
    if low == high:
        raise SpaceError(f"is {written}, which is a single value: put it under config, or write choice([{low}])")
    if not math.isfinite(high - low):
        raise SpaceError(f"is {written}, which is too wide for a floating-point number")
    return Range(low, high, log=form == "loguniform")


def _whole_numbers(form: str, written: str, low: int, high: int) -> Steps:
    _refuse_reversed(low, high, written)
    if low == high:
        raise SpaceError(f"is {written}, but {form} excludes its high bound: did you mean {form}({low}, {high + 1})?")
    return Steps(low, high - 1, 1, log=form == "lograndint", form=form)


def _steps(form: str, written: str, low: float, high: float, step: float) -> Steps:
    _refuse_reversed(low, high, written)
    if step <= 0:
        raise SpaceError(f"is {written}, but the step must be above 0")
    if (high - low) / step > _MOST_STEPS:
        raise SpaceError(f"is {written}, which has more than 1e12 steps; leave the step out")
    if not all(isinstance(number, int) for number in (low, high, step)):
        low, high, step = float(low), float(high), float(step)
    for name, bound in (("low", low), ("high", high)):
        if not is_multiple(bound, step):
            hint = _inside(form, low, high, step)
            raise SpaceError(f"is {written}, but its {name} bound {bound} is not a multiple of the step {step}{hint}")
    return Steps(low, high, step, log="log" in form, form=form)


def is_multiple(number: float, step: float) -> bool:
    """Whether the number as written in decimals is a multiple of the step as written in decimals."""
    ratio = Decimal(repr(number)) / Decimal(repr(step))
    return ratio == ratio.to_integral_value()


def _inside(form: str, low: float, high: float, step: float) -> str:
    """Propose the bounds rounded inwards, if anything is left between them."""
    first, last = math.ceil(low / step), math.floor(high / step)
    if first > last:
        return ", and no multiple lies between the bounds"
    exact = Decimal(repr(step))
    bounds = [index * step if isinstance(step, int) else float(index * exact) for index in (first, last)]
    return f": did you mean {form}({bounds[0]}, {bounds[1]}, {step})?"


def _refuse_reversed(low: float, high: float, written: str) -> None:
    if low > high:
        raise SpaceError(f"is {written}, but the low bound {low} is above the high bound {high}")


def _choices(values: Any) -> Choices:
    if not isinstance(values, list):
        raise SpaceError(f"is choice({shown(values)}), but choice takes a list: choice([a, b])")
    if not values:
        raise SpaceError("is choice([]), which has no value to choose")
    for index, value in enumerate(values):
        if not is_plain(value):
            raise SpaceError(
                f"has the choice {shown(value)}, but choices are text, finite numbers, true, false, null or lists"
            )
        if any(same(value, earlier) for earlier in values[:index]):
            raise SpaceError(f"has the choice {shown(value)} twice")
    return Choices(tuple(values))


def is_plain(value: Any) -> bool:
    """Whether the value can be a choice: text, a finite number, true, false, null, or a list of those."""
    if isinstance(value, list):
        return all(map(is_plain, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)
