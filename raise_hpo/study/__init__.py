"""The study file: models, defaults and messages."""

from raise_hpo.study.choices import Choice
from raise_hpo.study.load import load_study_file
from raise_hpo.study.messages import StudyError
from raise_hpo.study.model import StudySpec
from raise_hpo.study.settings import Budget, Checkpoints, Limits, Objective, Resources, Tracking

__all__ = [
    "Budget",
    "Checkpoints",
    "Choice",
    "Limits",
    "Objective",
    "Resources",
    "StudyError",
    "StudySpec",
    "Tracking",
    "load_study_file",
]
