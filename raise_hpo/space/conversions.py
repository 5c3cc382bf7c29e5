"""Between this package's dimensions and those of Ray Tune and Optuna.

Objects are recognised by their class's module, so that neither library is imported unless one of its objects is given
or asked for. An Optuna step that is not counted from zero becomes a choice of its values, which loses their order.
"""

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raise_hpo.space.build import is_multiple, make_dimension
from raise_hpo.space.dimensions import Choices, Dimension, Range, Steps, Value
from raise_hpo.space.errors import SpaceError
from raise_hpo.space.grammar import FORMS

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def plain_space(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Write every foreign domain in our notation; mappings that hold domains become dotted keys.

    Raises:
        SpaceError: a domain that has no counterpart here.
    """
    plain: dict[str, Any] = {}
    for key, value in mapping.items():
        if isinstance(value, Mapping) and set(value) == {"grid_search"}:
            plain[key] = _choice(value["grid_search"]).notation
        elif isinstance(value, Mapping) and _is_group(value):
            plain |= {f"{key}.{inner}": part for inner, part in plain_space(value).items()}
        else:
            plain[key] = _plain(key, value)
    return plain


def _is_group(value: Mapping[str, Any]) -> bool:
    """Whether a mapping nests further dimensions, rather than being one or a mistake."""
    return not FORMS.keys() & value.keys() and any(
        _library(part) or isinstance(part, Mapping) for part in value.values()
    )


def _plain(key: str, value: Any) -> Any:
    try:
        match _library(value):
            case "optuna":
                return from_distribution(value).notation
            case "ray":
                return _from_ray(value).notation
        return value.notation if isinstance(value, Dimension) else value
    except SpaceError as error:
        raise error.at(key, "search space") from None


def _library(value: Any) -> str | None:
    library = type(value).__module__.partition(".")[0]
    return library if library in ("ray", "optuna") else None


def to_distribution(dimension: Dimension) -> "BaseDistribution":
    """The Optuna distribution with the same values, or, on logarithmic steps, with the same range."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match dimension:
        case Choices(values):
            return CategoricalDistribution([_encoded(value) for value in values])
        case Steps(low, high, step, log) if isinstance(step, int) and (step == 1 or not log):
            return IntDistribution(int(low), int(high), log=log, step=step)
        case Steps(low, high, step, log=False):
            return FloatDistribution(low, high, step=step)
        case Steps(low, high) | Range(low, high):
            return FloatDistribution(low, high, log=bool(dimension.log))
    raise TypeError(f"no Optuna distribution for {dimension!r}")


def from_optuna_value(dimension: Dimension, value: Any) -> Value:
    """An Optuna parameter as a value of the dimension."""
    if isinstance(dimension, Choices):
        return next(own for own in dimension.values if _encoded(own) == value and type(_encoded(own)) is type(value))
    return dimension.snap(value)


def to_optuna_value(dimension: Dimension, value: Value) -> Any:
    """A value of the dimension as an Optuna parameter."""
    return _encoded(dimension.values[dimension.index(value)]) if isinstance(dimension, Choices) else value


def _encoded(value: Value) -> Any:
    """Optuna's categories are scalars: a list becomes its JSON text."""
    return json.dumps(value) if isinstance(value, list) else value


def from_distribution(distribution: "BaseDistribution") -> Dimension:
    """The dimension with an Optuna distribution's values."""
    kind = type(distribution).__name__
    given: Any = distribution
    if kind == "CategoricalDistribution":
        return _choice(given.choices)
    if kind not in ("IntDistribution", "FloatDistribution"):
        raise SpaceError(f"is an Optuna {kind}; valid: FloatDistribution, IntDistribution, CategoricalDistribution")
    if given.low == given.high:
        return _choice([given.low])
    if kind == "IntDistribution" and given.step == 1:
        return make_dimension("lograndint" if given.log else "randint", [given.low, given.high + 1])
    if given.step is None:
        return make_dimension("loguniform" if given.log else "uniform", [given.low, given.high])
    return _from_steps(given.low, given.high, given.step, "qrandint" if kind == "IntDistribution" else "quniform")


def _from_steps(low: float, high: float, step: float, form: str) -> Dimension:
    if is_multiple(low, step):
        return make_dimension(form, [low, high, step])
    count = round((high - low) / step) + 1
    return _choice([round(low + index * step, 12) for index in range(count)])


def _from_ray(domain: Any) -> Dimension:
    """The dimension with a Ray Tune domain's values (``ray.tune.search.sample``)."""
    kind = type(domain).__name__
    if kind == "Categorical":
        return _choice(domain.categories)
    sampler = domain.get_sampler()
    step = getattr(sampler, "q", None)
    scale = type(getattr(sampler, "sampler", sampler)).__name__.strip("_")
    if kind not in ("Float", "Integer") or scale not in ("Uniform", "LogUniform"):
        raise SpaceError(
            f"is a Ray Tune {kind} ({scale}), which has no counterpart; valid: {', '.join(FORMS)}, and when"
        )
    log = "log" if scale == "LogUniform" else ""
    if kind == "Float":
        form, bounds = f"{log}uniform", [domain.lower, domain.upper]
        return make_dimension(f"q{form}" if step else form, [*bounds, step] if step else bounds)
    return _from_ray_integer(domain, f"{log}randint", step)


def _from_ray_integer(domain: Any, form: str, step: int | None) -> Dimension:
    """Whole numbers; with a step of one Ray excludes the upper bound, with others it rounds the bounds inwards."""
    if step is None or step == 1:
        return make_dimension(form, [int(domain.lower), int(domain.upper)])
    low, high = math.ceil(domain.lower / step) * step, math.floor(domain.upper / step) * step
    return make_dimension(f"q{form}", [low, high, step])


def _choice(values: Any) -> Dimension:
    return make_dimension("choice", [[_python(value) for value in values]])


def _python(value: Any) -> Value:
    """Turn NumPy scalars and tuples into plain Python."""
    if isinstance(value, list | tuple):
        return [_python(part) for part in value]
    return value.item() if type(value).__module__ == "numpy" else value
