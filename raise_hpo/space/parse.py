"""Reads a search space from its mapping, naming file, line and key of the first mistake."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from raise_hpo.errors import nearest
from raise_hpo.space.build import make_dimension
from raise_hpo.space.conditions import Matches, parents_first, parse_matches
from raise_hpo.space.dimensions import Dimension
from raise_hpo.space.errors import SpaceError, shown
from raise_hpo.space.grammar import FORMS, checked_count, parse_form, signatures
from raise_hpo.space.nesting import nest
from raise_hpo.yaml_source import Document

FORBIDDEN = "forbidden"
_KEY = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*")

Parts = tuple[dict[str, Dimension], dict[str, Matches], tuple[Matches, ...]]


def parse_parts(document: Document) -> Parts:
    """Read the dimensions, the conditions and the forbidden assignments of a search space.

    Raises:
        SpaceError: the first mistake, with its place.
    """
    raw = document.data
    if not isinstance(raw, Mapping):
        raise SpaceError(f"is {shown(raw)}, but must be a mapping of keys to ranges", source=document.name)
    dimensions = {key: _placed_dimension(key, value, document) for key, value in raw.items() if key != FORBIDDEN}
    if not dimensions:
        raise SpaceError("has no dimensions; write for instance lr: loguniform(1e-4, 1e-2)", source=document.name)
    conditions = {key: _placed_condition(key, dimensions, document) for key in dimensions if _has_when(raw[key])}
    with _placed("", document):
        nest(dict.fromkeys(dimensions))
        ordered = {name: dimensions[name] for name in parents_first(dimensions, conditions)}
    return ordered, conditions, _parse_forbidden(raw.get(FORBIDDEN, []), dimensions, document)


def _placed_dimension(key: Any, value: Any, document: Document) -> Dimension:
    with _placed(key, document):
        return _parse_dimension(key, value)


def _parse_dimension(key: Any, value: Any) -> Dimension:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise SpaceError("is not a valid key: letters, digits, _ and - only, with dots between nested keys")
    if isinstance(value, Dimension):
        return value
    if isinstance(value, Mapping):
        return make_dimension(*_split_mapping(value))
    if isinstance(value, str):
        return make_dimension(*parse_form(value))
    raise SpaceError(f"is {shown(value)}, but must be one of {signatures()}; fixed settings go under config")


def _split_mapping(value: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Split ``{choice: [a, b], when: …}`` into its form and its arguments."""
    forms = [key for key in value if key != "when"]
    if len(forms) != 1:
        raise SpaceError(f"is {shown(dict(value))}, but must have one form, such as choice, and may have when")
    form = forms[0]
    if form not in FORMS:
        hint = (
            "; keys inside keys are written with dots, as in gnn.bin_size"
            if isinstance(value[form], Mapping | str)
            else ""
        )
        raise SpaceError(f"has the unknown form '{form}', {nearest(form, [*FORMS, 'when'])}{hint}")
    if form == "choice":
        return form, [value[form]]
    return form, checked_count(form, value[form], {form: value[form]})


def _has_when(value: Any) -> bool:
    return isinstance(value, Mapping) and "when" in value


def _placed_condition(key: str, dimensions: Mapping[str, Dimension], document: Document) -> Matches:
    with _placed(key, document, "when", prefix="has a condition that "):
        return parse_matches(document.data[key]["when"], dimensions)


def _parse_forbidden(raw: Any, dimensions: Mapping[str, Dimension], document: Document) -> tuple[Matches, ...]:
    with _placed(FORBIDDEN, document):
        if not isinstance(raw, list):
            raise SpaceError(
                f"is {shown(raw)}, but must be a list of mappings, such as [{{lr: {{above: 0.01}}, bin_size: 16}}]"
            )
    return tuple(_placed_forbidden(index, entry, dimensions, document) for index, entry in enumerate(raw))


def _placed_forbidden(index: int, entry: Any, dimensions: Mapping[str, Dimension], document: Document) -> Matches:
    with _placed(FORBIDDEN, document, index, prefix=f"entry {index + 1} "):
        return parse_matches(entry, dimensions)


@contextmanager
def _placed(key: Any, document: Document, *below: str | int, prefix: str = "") -> Iterator[None]:
    """Add source, line and key to a mistake that is found inside."""
    try:
        yield
    except SpaceError as error:
        place = str(key) or error.key
        line = document.line((place, *below)) if place else None
        raise SpaceError(f"{prefix}{error.text}", place, document.name, line) from None
