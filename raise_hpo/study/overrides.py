"""Overrides of a study on the command line: ``--set budget.trials=50 --set lr='loguniform(1e-5,1e-2)'``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raise_hpo import names
from raise_hpo.errors import UserError, nearest
from raise_hpo.paths import absolute_data, absolute_trainable
from raise_hpo.space import SpaceError, flatten, nest
from raise_hpo.space.grammar import looks_like_form
from raise_hpo.study.model import StudySpec
from raise_hpo.yaml_source import YamlError, parse_yaml

_ALGORITHMS = ("searcher", "scheduler", "stopper")
_SPACE, _STUDY = "search_space.", "study."


@dataclass(frozen=True)
class Override:
    """One ``KEY=VALUE``: its key without a prefix, its text, its value read as YAML, and what it is meant for."""

    key: str
    text: str
    value: Any
    written: str
    for_study: bool

    @property
    def path(self) -> tuple[str, ...]:
        """The keys that lead to the value."""
        return tuple(self.key.split("."))


def read_override(written: str) -> Override:
    """Split and read one override; a first key of the study file makes it one for the study.

    Raises:
        UserError: it is not KEY=VALUE, or its value is not YAML.
    """
    key, equals, text = (part.strip() for part in written.partition("="))
    if not equals or not key:
        raise UserError(
            f"--set {written}: must be KEY=VALUE, for instance budget.trials=50 or lr='loguniform(1e-5, 1e-2)'"
        )
    try:
        value = text if looks_like_form(text) else parse_yaml(text, f"--set {key}").data
    except YamlError:
        raise UserError(f"--set {written}: the value cannot be read as YAML; quote it") from None
    if key.startswith(_SPACE):
        return Override(key.removeprefix(_SPACE), text, value, written, for_study=False)
    plain = key.removeprefix(_STUDY)
    return Override(plain, text, value, written, for_study=plain.split(".")[0] in StudySpec.model_fields)


def apply_to_study(data: dict[str, Any], overrides: Sequence[Override]) -> dict[str, Any]:
    """Set keys of the study file's content; relative paths are meant from the current folder.

    Raises:
        UserError: a search space that does not exist, or a fixed setting that is a group of settings.
    """
    for override in overrides:
        first, *rest = override.path
        value = _with_absolute_paths(first, override.value)
        if first == "config" and rest:
            data = {**data, "config": _with_setting(data.get("config"), ".".join(rest), value, override)}
        elif first in _ALGORITHMS and rest:
            data = {**data, first: _with_value(_same_algorithm(data.get(first), rest[0]), rest, value, override)}
        else:
            data = _with_value(data, [first, *rest], value, override)
        if first == "trainable":
            data = {**data, "import_from": str(Path.cwd())} if ":" in str(value) else data
    return data


def apply_to_space(study: StudySpec, overrides: Sequence[Override]) -> StudySpec:
    """Replace dimensions of the search space.

    Raises:
        UserError: a key that is neither a dimension nor a key of the study, or a range that cannot be read.
    """
    if not overrides:
        return study
    space = study.space
    for override in overrides:
        if override.key not in space.dimensions:
            valid = nearest(override.key, [*space.dimensions, *StudySpec.model_fields])
            raise UserError(
                f"--set {override.written}: '{override.key}' is neither a dimension of the search space nor a key of "
                f"the study, {valid}; a fixed setting of the trainable is set as config.{override.key}"
            )
        try:
            space = space.narrow({override.key: override.value})
        except SpaceError as error:
            raise UserError(f"--set {override.written}: {error.key} {error.text}") from None
    return study.changed(search_space=space.to_dict())


def refuse_ambiguous(study: StudySpec, overrides: Sequence[Override]) -> None:
    """Refuse an override that could be meant for the study and for a dimension of the same name."""
    for override in overrides:
        if override.key in study.space.dimensions and not override.written.startswith(_STUDY):
            raise UserError(
                f"--set {override.written}: '{override.key}' is both a key of the study and a dimension; "
                f"write {_STUDY}{override.key}= or {_SPACE}{override.key}="
            )


def _with_absolute_paths(first: str, value: Any) -> Any:
    if first == "data":
        return absolute_data(value, Path.cwd())
    if first == "search_space" and isinstance(value, str) and value not in names.search_space_names():
        return str(names.search_space_file(value).absolute())
    if first == "trainable" and isinstance(value, str):
        return absolute_trainable(value, Path.cwd())
    return value


def _with_setting(config: Any, key: str, value: Any, override: Override) -> dict[str, Any]:
    flat = flatten(config) if isinstance(config, dict) else {}
    try:
        return nest({**flat, key: value})
    except SpaceError as error:
        raise UserError(f"--set {override.written}: config.{error.key} {error.text}") from None


def _same_algorithm(current: Any, name: str) -> dict[str, Any]:
    """The options of the algorithm if it is the current one; nothing of another's."""
    return {name: current[name]} if isinstance(current, dict) and name in current else {}


def _with_value(data: Any, path: Sequence[str], value: Any, override: Override) -> Any:
    """A copy of nested mappings and lists with one value set."""
    first, *rest = path
    if isinstance(data, list):
        return _with_item(data, path, value, override)
    inner = dict(data) if isinstance(data, dict) else {}
    inner[first] = _with_value(inner.get(first), rest, value, override) if rest else value
    return inner


def _with_item(items: list[Any], path: Sequence[str], value: Any, override: Override) -> list[Any]:
    first, *rest = path
    if first not in map(str, range(len(items))):
        key = override.key.removesuffix(f".{'.'.join(path)}")
        raise UserError(f"--set {override.written}: '{key}' is a list of {len(items)}; its first item is {key}.0")
    place = int(first)
    item = _with_value(items[place], rest, value, override) if rest else value
    return [*items[:place], item, *items[place + 1 :]]
