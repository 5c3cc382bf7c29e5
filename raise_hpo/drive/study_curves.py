"""Recorded learning curves as those of a study's trials, if the two fit together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from raise_hpo.curves import CurveTable
from raise_hpo.drive.surrogate import Surrogate
from raise_hpo.errors import UserError
from raise_hpo.space import Choices, Config, SearchSpace, flatten
from raise_hpo.study import StudySpec


class Curves:
    """Learning curves for a study's trials.

    Args:
        study: The study.
        table: The recorded curves.
        defaults: The trainable's default settings, for what the table varies and the study neither searches nor fixes.
        epoch_seconds: Seconds of every epoch, if not as the table tells.

    Raises:
        UserError: The table and the study do not fit together.
    """

    def __init__(
        self,
        study: StudySpec,
        table: CurveTable,
        defaults: Mapping[str, Any] | None = None,
        epoch_seconds: float | None = None,
    ) -> None:
        if len(study.objectives) > 1:
            raise UserError("objective: curves hold one metric, so a study is simulated with one objective")
        settings = {**flatten(dict(defaults or {})), **flatten(dict(study.config))}
        self.fixed = _settings_of_the_table(study, table, settings)
        _check_choices(study, table)
        _check_epochs(study, table)
        constant = None if epoch_seconds is None else lambda config: epoch_seconds
        self.surrogate = Surrogate(_in_the_studys_space(study, table), recorded=True, seconds=constant)
        self._sign = 1.0 if study.objective.mode == "min" else -1.0
        self._metric = study.objective.metric

    def metrics(self, config: Config, epoch: int) -> dict[str, float]:
        """The objective's metric of a configuration after an epoch, which counts from 1."""
        return {self._metric: self._sign * float(self.surrogate.curve({**self.fixed, **config})[epoch - 1])}

    def seconds(self, config: Config) -> float:
        """Seconds of an epoch."""
        return self.surrogate.seconds({**self.fixed, **config})


def _settings_of_the_table(study: StudySpec, table: CurveTable, settings: Mapping[str, Any]) -> Config:
    """The values of the table's hyperparameters that the study does not search.

    Raises:
        UserError: The study searches what the table does not have, or leaves open what it has.
    """
    searched, known = study.space.dimensions, table.space.dimensions
    for name in searched:
        if name not in known:
            raise UserError(
                f"search_space: '{name}' is not among the hyperparameters of the curves in {table.name}, which are "
                f"{', '.join(known)}; fix it under config, or give curves of trainings that varied it"
            )
    fixed: Config = {}
    for name in known:
        if name in searched or not _may_be_active(table.space, name, settings):
            continue
        values = [config[name] for config in table.configs if name in config]
        if name not in settings and any(value != values[0] for value in values):
            raise UserError(
                f"the curves in {table.name} vary '{name}', which the study neither searches nor fixes; fix it, for "
                f"instance by --set config.{name}={values[0]}"
            )
        fixed[name] = settings.get(name, values[0])
        _check_known(f"config: '{name}'", fixed[name], table, name)
    return fixed


def _may_be_active(space: SearchSpace, name: str, settings: Mapping[str, Any]) -> bool:
    """Whether the settings leave it open that the dimension's condition holds."""
    conditions = space.conditions.get(name, {})
    return all(match.holds(settings[parent]) for parent, match in conditions.items() if parent in settings)


def _check_choices(study: StudySpec, table: CurveTable) -> None:
    for name, dimension in study.space.dimensions.items():
        if isinstance(dimension, Choices):
            for value in dimension.values:
                _check_known(f"search_space: '{name}'", value, table, name)


def _check_known(where: str, value: Any, table: CurveTable, name: str) -> None:
    """Refuse a choice that no training had; between numbers there is something to go by."""
    dimension = table.space.dimensions[name]
    if isinstance(dimension, Choices) and not dimension.ascending and not dimension.contains(value):
        valid = ", ".join(map(str, dimension.values))
        raise UserError(f"{where} may be {value!r}, which no training in {table.name} had; they had {valid}")


def _check_epochs(study: StudySpec, table: CurveTable) -> None:
    if study.max_epochs > table.epochs:
        raise UserError(
            f"max_epochs is {study.max_epochs}, but the curves in {table.name} have {table.epochs} epochs; "
            f"lower it by --set max_epochs={table.epochs}"
        )


def _in_the_studys_space(study: StudySpec, table: CurveTable) -> CurveTable:
    """The table with the study's ranges, scales and conditions, if all its rows lie within them."""
    further = {name: dim for name, dim in table.space.dimensions.items() if name not in study.space.dimensions}
    conditions = {**table.space.conditions, **study.space.conditions}
    space = SearchSpace(
        {**study.space.dimensions, **further},
        {name: matches for name, matches in conditions.items() if name in further or name in study.space.conditions},
    )
    configs = [space.only_active(config) for config in table.configs]
    if all(space.contains(config) for config in configs):
        return replace(table, space=space, configs=configs)
    return table


def beyond(study: StudySpec, table: CurveTable) -> list[str]:
    """Dimensions whose range in the study goes over a tenth of itself beyond what the table's trainings had."""
    told = []
    for name, dimension in study.space.dimensions.items():
        values = [config[name] for config in table.configs if name in config]
        if isinstance(dimension, Choices) or not values:
            continue
        low, high = (dimension.to_unit(dimension.snap(value)) for value in (min(values), max(values)))
        if max(low, 1.0 - high) > 0.1 + 0.5 / (dimension.size or np.inf):
            told.append(f"{name} (trained: {min(values):.3g} to {max(values):.3g})")
    return told
