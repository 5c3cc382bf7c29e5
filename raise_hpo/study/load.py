"""Reads a study file: by path or name, with overrides, and with the line of each mistake."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from raise_hpo import names
from raise_hpo.errors import UserError
from raise_hpo.paths import absolute_data, absolute_trainable
from raise_hpo.space import SearchSpace, SpaceError
from raise_hpo.study.messages import Mistake, StudyError, more, told
from raise_hpo.study.model import StudySpec
from raise_hpo.study.overrides import Override, apply_to_space, apply_to_study, read_override, refuse_ambiguous
from raise_hpo.study.sources import absolute_sources
from raise_hpo.yaml_source import Document, load_yaml


def load_study_file(path_or_name: str | Path, overrides: Sequence[str] = ()) -> StudySpec:
    """Read a study.

    Relative paths in ``data``, ``search_space`` and ``trainable`` are taken from the study file's folder, those in
    overrides from the current one.

    Args:
        path_or_name: A study file, the name of a trainable that brings one, or ``file.py:Class`` or ``module:Class`` of
            a trainable with an attribute ``search_space``.
        overrides: ``budget.trials=50`` for a key of the study, ``lr=loguniform(1e-5, 1e-2)`` for a dimension.

    Raises:
        UserError: the first mistake, with file, line, key, value and what is valid, and how many more there are.
    """
    document = _document(path_or_name)
    read = [read_override(written) for written in overrides]
    to_study = [override for override in read if override.for_study]
    study = _checked(document, to_study)
    refuse_ambiguous(study, to_study)
    return apply_to_space(study, [override for override in read if not override.for_study])


def _document(path_or_name: str | Path) -> Document:
    """A study file's document, or that of a trainable which brings its own search space."""
    if ":" in str(path_or_name) and not Path(path_or_name).is_file():
        return _own_document(str(path_or_name))
    return load_yaml(names.study_file(path_or_name))


def _own_document(trainable: str) -> Document:
    space = getattr(names.resolve_trainable(trainable), "search_space", None)
    if not space:
        raise UserError(
            f"trainable '{trainable}' has no attribute search_space; give it one, such as "
            'search_space = {"lr": "loguniform(1e-4, 1e-1)"}, or write a study file'
        )
    return Document(trainable, {"trainable": trainable, "search_space": dict(space)})


def _checked(document: Document, overrides: Sequence[Override]) -> StudySpec:
    """The study that the file and the overrides describe; mistakes get the line or the override that they come from."""
    data = apply_to_study(_with_absolute_paths(document), overrides)
    try:
        return StudySpec(**data)
    except StudyError as error:
        _raise_placed(error.mistakes, document, overrides)
    except SpaceError:
        if isinstance(data["search_space"], dict) and isinstance(document.data["search_space"], dict):
            _parse_placed(document)
        raise


def _parse_placed(document: Document) -> None:
    """Read the search space again where its lines are known, so that its mistake gets one."""
    try:
        SearchSpace.parse({}, document=document.below("search_space"))
    except SpaceError as error:
        line = error.line or document.line(("search_space",))
        raise error.at("search_space", document.name, line) from None


def _with_absolute_paths(document: Document) -> dict[str, Any]:
    """Write out the paths that are meant from the study file's folder."""
    folder = Path(document.name).absolute().parent
    data = dict(document.data)
    if isinstance(data.get("data"), dict):
        data["data"] = absolute_data(data["data"], folder)
    if "warm_start" in data:
        data["warm_start"] = absolute_sources(data["warm_start"], folder)
    if isinstance(data.get("search_space"), str):
        data["search_space"] = _space_name(document, folder)
    if isinstance(data.get("trainable"), str) and ":" in data["trainable"]:
        data["trainable"] = absolute_trainable(data["trainable"], folder)
        data.setdefault("import_from", str(folder))
    return data


def _space_name(document: Document, folder: Path) -> str:
    """The installed search space's name, or the absolute path of a file."""
    name = str(document.data["search_space"])
    if name in names.search_space_names():
        return name
    try:
        return str(names.search_space_file(name, folder).absolute())
    except UserError as error:
        raise UserError(f"{_where(('search_space',), document, ())}: {error}") from None


def _raise_placed(mistakes: Sequence[Mistake], document: Document, overrides: Sequence[Override]) -> NoReturn:
    """Tell the mistake that comes first in the file."""
    first = min(mistakes, key=lambda mistake: document.line(mistake.location) or 0)
    place = _where(first.location, document, overrides)
    raise UserError(f"{place}: {told(first)}{more(len(mistakes) - 1)}") from None


def _where(location: tuple[str | int, ...], document: Document, overrides: Sequence[Override]) -> str:
    for override in overrides:
        shared = min(len(override.path), len(location))
        if shared and override.path[:shared] == tuple(map(str, location[:shared])):
            return f"--set {override.written}"
    line = document.line(location)
    return f"{document.name} line {line}" if line else document.name
