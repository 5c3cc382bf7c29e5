"""What a study file leaves out has the default that the algorithm's own class has."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import pytest

from raise_hpo import schedule, search
from raise_hpo.study.options import SCHEDULER_OPTIONS, SEARCHER_OPTIONS


def _constructors() -> list[Any]:
    """Each algorithm with options: its name, its options' model, and the class that takes them."""
    known = [(schedule._HOMES, SCHEDULER_OPTIONS), (search._HOMES, SEARCHER_OPTIONS)]
    return [
        pytest.param(settings, homes[name], id=f"{homes[name].split('.')[1]} {name}")
        for homes, options in known
        for name, settings in options.items()
    ]


@pytest.mark.parametrize(("settings", "home"), _constructors())
def test_defaults_of_study_files_are_those_of_the_classes(settings: Any, home: str) -> None:
    module, _, name = home.partition(":")
    takes = inspect.signature(getattr(import_module(module), name).__init__).parameters
    for option, default in settings().model_dump().items():
        own = takes[option].default
        assert (list(own) if isinstance(own, tuple) else own) == default, option
