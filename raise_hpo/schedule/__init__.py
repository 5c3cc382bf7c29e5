"""Schedulers: which trials go on."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from raise_hpo.schedule.base import Heir, Need, Scheduler
from raise_hpo.schedule.names import SCHEDULERS

if TYPE_CHECKING:
    from raise_hpo.space import SearchSpace
    from raise_hpo.study import StudySpec

_HOMES = {
    "none": "raise_hpo.schedule.none:NoScheduler",
    "asha": "raise_hpo.schedule.asha:ASHA",
    "curve": "raise_hpo.schedule.curve:CurveScheduler",
    "hyperband": "raise_hpo.schedule.hyperband:Hyperband",
    "bohb": "raise_hpo.schedule.hyperband:BOHB",
    "swift_hyperband": "raise_hpo.schedule.swift:SwiftHyperband",
    "median": "raise_hpo.schedule.median:MedianStopping",
    "pbt": "raise_hpo.schedule.pbt:PBT",
    "pb2": "raise_hpo.schedule.pb2:PB2",
    "genetic": "raise_hpo.schedule.genetic:Genetic",
}

__all__ = ["SCHEDULERS", "Heir", "Need", "Scheduler", "make_scheduler", "scheduler_of"]


def make_scheduler(name: str, max_epochs: int, space: SearchSpace, seed: int, **options: Any) -> Scheduler:
    """The scheduler of that name, as a study file names it, with its options."""
    module, _, attribute = _HOMES[name].partition(":")
    kind: type[Scheduler] = getattr(import_module(module), attribute)
    if kind.uses_space:
        options = {"space": space, "seed": seed, **options}
    return kind(max_epochs, **options)


def scheduler_of(study: StudySpec) -> Scheduler:
    """The scheduler that a study asks for, at the study's beginning."""
    chosen = study.scheduler
    return make_scheduler(chosen.name, study.max_epochs, study.space, study.seed, **chosen.options)
