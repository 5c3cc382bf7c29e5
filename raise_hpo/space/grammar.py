"""The notation of a dimension: a form's name and its arguments, ``loguniform(1e-4, 3e-2)``.

The arguments are read as a YAML list, so numbers, ``true``, ``null``, quoted and bare words mean what they mean in the
rest of a study file, and nothing is ever evaluated.
"""

import re
from typing import Any

from raise_hpo.errors import nearest
from raise_hpo.space.errors import SpaceError, shown
from raise_hpo.yaml_source import YamlError, parse_yaml

FORMS: dict[str, tuple[str, ...]] = {
    "uniform": ("low", "high"),
    "loguniform": ("low", "high"),
    "quniform": ("low", "high", "step"),
    "qloguniform": ("low", "high", "step"),
    "randint": ("low", "high"),
    "lograndint": ("low", "high"),
    "qrandint": ("low", "high", "step"),
    "qlograndint": ("low", "high", "step"),
    "choice": ("[values]",),
}

_CALL = re.compile(r"\s*([A-Za-z_]\w*)\s*\((.*)\)\s*", re.DOTALL)


def signatures() -> str:
    """All forms with their arguments, for messages."""
    return ", ".join(signature(form) for form in FORMS)


def signature(form: str) -> str:
    """One form with its arguments: ``quniform(low, high, step)``."""
    return f"{form}({', '.join(FORMS[form])})"


def looks_like_form(text: str) -> bool:
    """Whether the text is meant as a form, rightly spelled or not."""
    return _CALL.fullmatch(text) is not None


def parse_form(text: str) -> tuple[str, list[Any]]:
    """Split ``quniform(10, 2000, 10)`` into its form and its arguments.

    Raises:
        SpaceError: no such form, or arguments that are not a list of plain values.
    """
    match = _CALL.fullmatch(text)
    if match is None:
        raise SpaceError(f"is {shown(text)}, but must be one of {signatures()}; fixed settings go under config")
    form, inside = match.groups()
    if form not in FORMS:
        raise SpaceError(f"is {shown(text)}: unknown form '{form}', {nearest(form, FORMS)}")
    try:
        arguments = parse_yaml(f"[{inside}]", "").data
    except YamlError:
        raise SpaceError(f"is {shown(text)}, whose arguments cannot be read; valid: {signature(form)}") from None
    return form, checked_count(form, arguments, text)


def checked_count(form: str, arguments: Any, written: object) -> list[Any]:
    """The arguments, if they are as many as the form takes."""
    if not isinstance(arguments, list) or len(arguments) != len(FORMS[form]):
        raise SpaceError(f"is {shown(written)}, but the form is {signature(form)}")
    return arguments
