"""Schedulers: which trials go on."""

from __future__ import annotations

from typing import Any

from raise_hpo.schedule.asha import ASHA
from raise_hpo.schedule.base import Scheduler
from raise_hpo.schedule.names import SCHEDULERS
from raise_hpo.schedule.none import NoScheduler

_CLASSES: dict[str, type[Scheduler]] = {"none": NoScheduler, "asha": ASHA}

__all__ = ["ASHA", "SCHEDULERS", "NoScheduler", "Scheduler", "make_scheduler"]


def make_scheduler(name: str, max_epochs: int, **options: Any) -> Scheduler:
    """The scheduler of that name, as a study file names it, with its options."""
    return _CLASSES[name](max_epochs, **options)
