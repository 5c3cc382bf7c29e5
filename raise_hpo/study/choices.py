"""Searcher, scheduler and stopper as a study file names them: ``asha`` or ``{asha: {min_epochs: 3}}``."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import Field, PlainSerializer, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from raise_hpo.errors import nearest
from raise_hpo.predict.names import STOPPERS
from raise_hpo.schedule.names import SCHEDULERS
from raise_hpo.search.names import REPEAT, SEARCHERS
from raise_hpo.study.messages import mistakes_in
from raise_hpo.study.options import SCHEDULER_OPTIONS, SEARCHER_OPTIONS, STOPPER_OPTIONS, NoOptions
from raise_hpo.study.settings import Settings


class Choice(Settings):
    """An algorithm's name and its options, those left out filled with their defaults."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    def as_written(self) -> str | dict[str, dict[str, Any]]:
        """How it stands in a study file, with all its options."""
        return {self.name: dict(self.options)} if self.options else self.name


Options = Mapping[str, type[Settings]]

# A searcher and a scheduler may share a name, so each kind looks its options up in its own table.
OPTIONS: tuple[Options, ...] = (SEARCHER_OPTIONS, SCHEDULER_OPTIONS, STOPPER_OPTIONS)


def _parse(value: Any, names: tuple[str, ...], known: Options) -> Choice:
    """Accept a name, ``{name: options}`` or a Choice; errors carry where in the value the mistake is."""
    name, options = _split(value, names)
    if name not in names:
        raise ValueError(f"{name!r} is unknown, {nearest(name, names)}")
    if not isinstance(options, Mapping):
        raise _error(f"must be a mapping of options, not {options!r}", (name,))
    settings = known.get(name, NoOptions)
    try:
        checked = settings.model_validate(dict(options))
    except ValidationError as error:
        first = mistakes_in(error, settings)[0]
        raise _error(first.text, (name, *first.location)) from None
    return Choice(name=name, options=checked.model_dump())


def _split(value: Any, names: tuple[str, ...]) -> tuple[str, Any]:
    if isinstance(value, Choice):
        return value.name, value.options
    if isinstance(value, str):
        return value, {}
    if isinstance(value, Mapping) and len(value) == 1:
        name, options = next(iter(value.items()))
        return str(name), {} if options is None else options
    raise ValueError(f"must be a name, or a name with its options as {{name: {{option: value}}}}; {nearest('', names)}")


def name_of(value: Any) -> str | None:
    """The algorithm that is named in any of the ways a study may name one; None if it is none of them."""
    try:
        return str(_split(value, ())[0])
    except ValueError:
        return None


def _error(text: str, at: tuple[Any, ...]) -> PydanticCustomError:
    return PydanticCustomError("choice", "{text}", {"text": text, "at": at})


_WRITTEN = PlainSerializer(Choice.as_written)

Searcher = Annotated[
    Choice, PlainValidator(partial(_parse, names=(*SEARCHERS, REPEAT), known=SEARCHER_OPTIONS)), _WRITTEN
]
Scheduler = Annotated[Choice, PlainValidator(partial(_parse, names=SCHEDULERS, known=SCHEDULER_OPTIONS)), _WRITTEN]
Stopper = Annotated[Choice, PlainValidator(partial(_parse, names=STOPPERS, known=STOPPER_OPTIONS)), _WRITTEN]
