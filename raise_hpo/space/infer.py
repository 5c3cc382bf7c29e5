"""The dimension that a column of a table was probably drawn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from raise_hpo.space.dimensions import Choices, Dimension, Range, Steps, is_number

MOST_CHOICES = 12
"""A numeric column with more distinct values is a range."""

LOG_DECADES = 1.5
"""Positive numbers that span fewer are taken to be on a linear scale."""


def infer_dimension(values: Sequence[Any]) -> Dimension:
    """The dimension of a hyperparameter, from the values that it took.

    Text, true and false are choices. Numbers are a range from the smallest to the largest, logarithmic where they are
    positive, span a decade and a half, and lie more evenly on that scale; whole numbers are steps. A few numbers that
    return again and again are steps where they are evenly spaced whole numbers, and choices in rising order otherwise.
    """
    if not all(map(is_number, values)):
        return Choices(tuple(sorted(set(values), key=lambda value: (type(value).__name__, value))))
    distinct = sorted(set(values))
    if len(distinct) <= max(1, min(MOST_CHOICES, len(values) // 2)):
        return _evenly_spaced(distinct) or Choices(tuple(distinct))
    low, high = distinct[0], distinct[-1]
    log = _is_logarithmic(distinct)
    if all(isinstance(value, int) for value in distinct):
        return Steps(low, high, 1, log=log, form="lograndint" if log else "randint")
    return Range(float(low), float(high), log=log)


def _is_logarithmic(distinct: Sequence[float]) -> bool:
    """Whether numbers look drawn from a logarithmic range: of a uniform one, too, the smallest may be tiny."""
    if distinct[0] <= 0 or math.log10(distinct[-1] / distinct[0]) < LOG_DECADES:
        return False
    return _unevenness([math.log(value) for value in distinct]) < _unevenness(distinct)


def _unevenness(rising: Sequence[float]) -> float:
    """The Kolmogorov-Smirnov distance of rising numbers from a uniform distribution between the first and the last."""
    low, width = rising[0], rising[-1] - rising[0]
    return max(abs((value - low) / width - rank / (len(rising) - 1)) for rank, value in enumerate(rising))


def _evenly_spaced(distinct: Sequence[Any]) -> Steps | None:
    if len(distinct) < 3 or not all(isinstance(value, int) for value in distinct):
        return None
    step = distinct[1] - distinct[0]
    if distinct != list(range(distinct[0], distinct[-1] + 1, step)) or distinct[0] % step:
        return None
    form = "randint" if step == 1 else "qrandint"
    return Steps(distinct[0], distinct[-1], step, form=form)
