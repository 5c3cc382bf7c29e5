"""What makes one trial better than another: one objective, or several of which the first is the primary one."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from raise_hpo.schedule import names as schedulers
from raise_hpo.search import names as searchers
from raise_hpo.study.messages import Mistake, mistakes_in
from raise_hpo.study.settings import Objective

_ABLE = {
    "searcher": searchers.WITH_SEVERAL_OBJECTIVES,
    "scheduler": schedulers.WITH_SEVERAL_OBJECTIVES,
    "stopper": ("none",),
}


class Objectives(Objective):
    """The primary objective of several, and the further ones."""

    further: tuple[Objective, ...]


def all_of(objective: Objective) -> tuple[Objective, ...]:
    """The primary objective, then the further ones if there are any."""
    return (objective, *objective.further) if isinstance(objective, Objectives) else (objective,)


def unable(chosen: Mapping[str, str]) -> list[Mistake]:
    """The algorithms, by the study file's key, that cannot be used with several objectives."""
    return [
        Mistake((key,), f"{name!r} knows one objective only; with several, valid: {', '.join(_ABLE[key])}")
        for key, name in chosen.items()
        if name not in _ABLE[key]
    ]


def _parse(value: Any) -> Objective:
    """Accept an objective or a list of them; errors carry where in the value the mistake is."""
    if isinstance(value, Objective):
        return value
    if not isinstance(value, list | tuple):
        return _one(value, ())
    if not value:
        raise ValueError("is an empty list, but must be a mapping, or a list of mappings")
    first, *further = [_one(part, (place,)) for place, part in enumerate(value)]
    for place, objective in enumerate(further, 1):
        if objective.metric in [other.metric for other in (first, *further[: place - 1])]:
            raise _error(f"is {objective.metric!r}, which is an objective already", (place, "metric"))
    return Objectives(metric=first.metric, mode=first.mode, further=tuple(further)) if further else first


def _one(value: Any, at: tuple[Any, ...]) -> Objective:
    try:
        return Objective.model_validate(value)
    except ValidationError as error:
        first = mistakes_in(error, Objective)[0]
        raise _error(first.text, (*at, *first.location)) from None


def _error(text: str, at: tuple[Any, ...]) -> PydanticCustomError:
    return PydanticCustomError("choice", "{text}", {"text": text, "at": at})


def _written(objective: Objective) -> Any:
    """How it stands in a study file: one as a mapping, several as a list."""
    plain = [{"metric": each.metric, "mode": each.mode} for each in all_of(objective)]
    return plain if len(plain) > 1 else plain[0]


PrimaryObjective = Annotated[Objective, PlainValidator(_parse), PlainSerializer(_written)]
