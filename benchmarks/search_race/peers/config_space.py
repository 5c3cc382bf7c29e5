"""The search space for the packages that share ConfigSpace."""

from __future__ import annotations

from typing import Any

from search_race.axes import Axes, Axis


def config_space(axes: Axes, seed: int) -> Any:
    """A ConfigSpace with the same hyperparameters."""
    from ConfigSpace import ConfigurationSpace

    space = ConfigurationSpace(seed=seed)
    space.add([_hyperparameter(axis) for axis in axes])
    return space


def _hyperparameter(axis: Axis) -> Any:
    from ConfigSpace import Categorical, Float, Integer

    if axis.kind == "category":
        return Categorical(axis.key, axis.labels)
    return (Float if axis.kind == "real" else Integer)(axis.key, axis.bounds, log=axis.log)
