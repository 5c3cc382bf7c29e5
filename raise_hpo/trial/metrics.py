"""Metrics of all workers of a trial, made one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from raise_hpo.trial.trainable import Trainable


def reduce_metrics(metrics: Mapping[str, Any], trainable: Trainable) -> dict[str, float]:
    """Combine the workers' metrics: pairs are summed and divided, numbers averaged by the samples each worker has seen.

    Every worker must report the same names. An empty ratio (0 over 0) is left out rather than made up.

    Raises:
        TypeError: A metric is neither a number nor a pair of numbers; the message names it.
    """
    names = sorted(metrics)
    weight = float(trainable.samples_seen or 1)
    pairs = [_pair(name, metrics[name], weight) for name in names]
    if not pairs:
        return {}
    total = trainable.sum_over_workers(torch.tensor(pairs, dtype=torch.float64, device=_reduction_device(trainable)))
    return {name: float(top / bottom) for name, (top, bottom) in zip(names, total.tolist(), strict=True) if bottom != 0}


def _reduction_device(trainable: Trainable) -> torch.device:
    # NCCL exchanges GPU tensors only.
    return trainable.device if trainable.world_size > 1 else torch.device("cpu")


def _pair(name: str, value: Any, weight: float) -> tuple[float, float]:
    try:
        if isinstance(value, tuple):
            top, bottom = value
            return float(top), float(bottom)
        return float(value) * weight, weight
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"metric '{name}' must be a number or a pair (numerator, denominator), not {value!r}"
        ) from error
