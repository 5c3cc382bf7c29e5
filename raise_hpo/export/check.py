"""How far an exported model is from PyTorch's, on the examples and on batches of other sizes made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from raise_hpo.errors import UserError

TOLERANCE = 1e-4
"""Largest deviation of an output from PyTorch's, as a share of that output's largest magnitude, 1 at least."""

Array = NDArray[Any]
Inputs = Mapping[str, torch.Tensor]
Run = Callable[[Inputs], list[Array]]


def outputs_of(value: Any) -> list[tuple[str, torch.Tensor]]:
    """A model's outputs with their names: a mapping's keys, a named tuple's fields, or ``output_0`` and so on."""
    if isinstance(value, torch.Tensor):
        return [("output", value)]
    if isinstance(value, Mapping):
        return [(str(name), each) for name, each in value.items()]
    names = getattr(value, "_fields", None) or [f"output_{place}" for place in range(len(value))]
    return list(zip(names, value, strict=True))


def largest_deviation(module: nn.Module, run: Run, examples: Inputs) -> float:
    """The largest deviation of an exported model on the examples, their first row, and all of them twice.

    Raises:
        UserError: It is above `TOLERANCE`, or a shape is not PyTorch's.
    """
    rows = len(next(iter(examples.values())))
    sizes = [torch.arange(rows), torch.arange(1), torch.arange(rows).repeat(2)]
    found = max(_deviation(module, run, {name: value[size] for name, value in examples.items()}) for size in sizes)
    if not found <= TOLERANCE:
        raise UserError(f"the exported model deviates from PyTorch's by {found:.2g}, more than {TOLERANCE:g}")
    return found


def _deviation(module: nn.Module, run: Run, inputs: Inputs) -> float:
    with torch.no_grad():
        expected = [value.numpy() for _, value in outputs_of(module(**inputs))]
    return max(_apart(mine, theirs) for mine, theirs in zip(expected, run(inputs), strict=True))


def _apart(expected: Array, found: Array) -> float:
    if expected.shape != found.shape:
        raise UserError(f"the exported model gives the shape {found.shape} where PyTorch's gives {expected.shape}")
    if not expected.size:
        return 0.0
    scale = max(1.0, float(np.abs(expected).max()))
    return float(np.abs(expected.astype(np.float64) - found.astype(np.float64)).max()) / scale
