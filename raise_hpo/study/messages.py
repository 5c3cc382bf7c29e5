"""From pydantic's errors to one sentence that names the key, the value and what is valid."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from raise_hpo.errors import UserError, nearest
from raise_hpo.space.errors import shown

Location = tuple[str | int, ...]

_RULES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text (quote it)",
    "string_too_short": "a text that is not empty",
    "dict_type": "a mapping of keys and values",
    "model_type": "a mapping of keys and values",
    "model_attributes_type": "a mapping of keys and values",
    "greater_than_equal": "at least {ge}",
    "greater_than": "above {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "below {lt}",
}


@dataclass(frozen=True)
class Mistake:
    """One mistake: the keys that lead to it, and the sentence without the key."""

    location: Location
    text: str


class StudyError(UserError):
    """A study that cannot be used; the message tells the first mistake and how many more there are."""

    def __init__(self, mistakes: Sequence[Mistake], source: str = "study") -> None:
        self.mistakes = list(mistakes)
        super().__init__(f"{source}: {told(self.mistakes[0])}{more(len(self.mistakes) - 1)}")


def told(mistake: Mistake) -> str:
    """The mistake as a clause that begins with its dotted key."""
    key = ".".join(str(part) for part in mistake.location)
    return f"{key} {mistake.text}" if key else mistake.text


def more(count: int) -> str:
    """Say how many mistakes were not told."""
    return f" (and {count} more)" if count > 0 else ""


def mistakes_in(error: ValidationError, model: type[BaseModel]) -> list[Mistake]:
    """All mistakes that pydantic found while it read ``model``, in the order of the model's fields."""
    found = error.errors(include_url=False)
    return [_mistake(details, model) for details in found if details["type"] != "default_factory_not_called"]


def _mistake(details: ErrorDetails, model: type[BaseModel]) -> Mistake:
    context = details.get("ctx", {})
    location = (*details["loc"], *context.get("at", ()))
    return Mistake(location, _sentence(details, context, model))


def _sentence(details: ErrorDetails, context: dict[str, Any], model: type[BaseModel]) -> str:
    kind, value = details["type"], details["input"]
    if kind == "extra_forbidden":
        *above, key = details["loc"]
        return f"is an unknown key, {nearest(key, _keys(model, above))}"
    if kind == "missing":
        return "is missing"
    if kind in ("choice", "value_error"):
        return str(context.get("text", context.get("error")))
    if kind == "literal_error":
        valid = re.findall(r"'([^']*)'", context["expected"])
        return f"is {shown(value)}, {nearest(value, valid)}"
    if kind in _RULES:
        return f"is {shown(value)}, but must be {_RULES[kind].format(**context)}"
    return f"is {shown(value)}: {details['msg'][0].lower()}{details['msg'][1:]}"


def _keys(model: type[BaseModel], above: Sequence[str | int]) -> list[str]:
    """The valid keys of the group of settings at ``above``."""
    for part in above:
        inner = model.model_fields[str(part)].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)
