"""Hyperparameter optimization for high-energy-physics deep learning, on Ray, from a laptop to hundreds of GPUs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raise_hpo.api import Study, load_study, tune
    from raise_hpo.cluster.client import connect
    from raise_hpo.study import StudySpec
    from raise_hpo.trial.trainable import Trainable

_HOMES = {
    "Study": "raise_hpo.api",
    "StudySpec": "raise_hpo.study",
    "Trainable": "raise_hpo.trial.trainable",
    "connect": "raise_hpo.cluster.client",
    "load_study": "raise_hpo.api",
    "tune": "raise_hpo.api",
}

__all__ = ["Study", "StudySpec", "Trainable", "connect", "load_study", "tune"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: torch and ray are slow to import, and often not needed."""
    if name not in _HOMES:
        raise AttributeError(f"module 'raise_hpo' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
