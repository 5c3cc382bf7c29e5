"""What the names in a study file stand for: trainables, search spaces and study files.

A trainable is a name of the entry-point group ``raise_hpo.trainables``, or ``package.module:Class``, or
``path/file.py:Class``. A search space is the name of a file in the installed folder ``search_spaces``, or a path. A
study is a path, or the name of a trainable that has a ``study.yaml`` beside its module. Only ``resolve_trainable``
imports a trainable.
"""

import importlib.util
import os
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from raise_hpo.errors import UserError, nearest
from raise_hpo.imports import import_file, import_named, trainable_class
from raise_hpo.paths import user_path

GROUP = "raise_hpo.trainables"


def trainable_names() -> list[str]:
    """The names of the installed trainables."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def trainable_folder(name: str) -> Path | None:
    """The folder of an installed trainable's module, found without importing it; None if there is none of that name."""
    point = _entry_point(name)
    if point is None:
        return None
    package, _, module = point.module.rpartition(".")
    try:
        spec = importlib.util.find_spec(package or module)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    places = list(spec.submodule_search_locations or ())
    return Path(places[0]) if places else Path(spec.origin or ".").parent


def search_space_names() -> list[str]:
    """The names of the installed search spaces."""
    return sorted(path.stem for folder in _search_space_folders() for path in folder.glob("*.yaml"))


def search_space_file(name: str | Path, folder: str | Path | None = None) -> Path:
    """The file of a search space: an installed one by its name, or a path, if relative then from ``folder``.

    Raises:
        UserError: there is no such name and no such file.
    """
    if str(name) in search_space_names():
        return next(place / f"{name}.yaml" for place in _search_space_folders() if (place / f"{name}.yaml").is_file())
    path = Path(folder or ".") / user_path(name)
    if os.path.isfile(path):
        return path
    raise UserError(
        f"search_space '{name}' is neither a name nor a file{_similar(path)}; {nearest(name, search_space_names())}"
    )


def study_file(path_or_name: str | Path) -> Path:
    """The study file at a path, or the one that comes with a trainable of that name.

    Raises:
        UserError: there is neither; the message lists similar files and the names.
    """
    path = user_path(path_or_name)
    if os.path.isfile(path):
        return path
    own = trainable_folder(str(path_or_name))
    if own is not None and (own / "study.yaml").is_file():
        return own / "study.yaml"
    if own is not None:
        raise UserError(
            f"trainable '{path_or_name}' brings no study.yaml; write a study file with trainable: {path_or_name}"
        )
    kind = "a folder, not a study file" if os.path.isdir(path) else "neither a study file nor a trainable's name"
    raise UserError(f"'{path_or_name}' is {kind}{_similar(path)}; {nearest(path_or_name, _names_with_study())}")


def resolve_trainable(name: str, folder: str | Path | None = None) -> type:
    """Import the trainable's class.

    Args:
        name: An installed trainable's name, ``package.module:Class`` or ``path/file.py:Class``.
        folder: Where modules and relative paths are looked up first, before the current folder.

    Raises:
        UserError: there is no such trainable, its module cannot be imported, or it lacks a method.
    """
    point = _entry_point(name)
    if point is not None:
        return trainable_class(name, import_named(name, point.module, ()), point.attr)
    home, colon, attribute = name.rpartition(":")
    if not colon or not home or not attribute:
        valid = nearest(name, trainable_names())
        raise UserError(f"trainable '{name}' is unknown, {valid}, or package.module:Class, or path/file.py:Class")
    folders = [user_path(place).absolute() for place in (folder, ".") if place is not None]
    if home.endswith(".py"):
        return trainable_class(name, import_file(name, home, folders), attribute)
    return trainable_class(name, import_named(name, home, folders), attribute)


def _entry_point(name: str) -> EntryPoint | None:
    return next(iter(entry_points(group=GROUP, name=name)), None)


def _search_space_folders() -> list[Path]:
    spec = importlib.util.find_spec("search_spaces")
    return [Path(place) for place in spec.submodule_search_locations or ()] if spec else []


def _names_with_study() -> list[str]:
    folders = {name: trainable_folder(name) for name in trainable_names()}
    return [name for name, folder in folders.items() if folder and (folder / "study.yaml").is_file()]


def _similar(path: Path) -> str:
    """Name the files that may have been meant: near in name, or else the YAML files of the folder."""
    folder = path if os.path.isdir(path) else path.parent
    if not os.path.isdir(folder):
        return f" (there is no folder {folder})"
    files = sorted(found.name for found in folder.glob("[!.]*.y*ml"))
    close = get_close_matches(path.name, files, n=3) or files[:5]
    return f" (in {folder}: {', '.join(close)})" if close else ""
