"""Versions of what must be equal on all hosts."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("raise-hpo", "ray", "torch", "numpy", "pyarrow", "optuna", "scikit-learn", "mlflow", "pydantic")


def versions() -> dict[str, str]:
    """Of Python and of the packages that a study needs; what is not installed says so."""
    return {"Python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
