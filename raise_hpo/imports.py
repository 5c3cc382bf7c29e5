"""Imports a trainable's class from a user's module or file, and says in one sentence why that does not work."""

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from traceback import extract_tb
from types import ModuleType

from raise_hpo.errors import UserError, nearest
from raise_hpo.paths import user_path

METHODS = ("build", "train_epoch")


def import_named(name: str, module: str, folders: Iterable[Path]) -> ModuleType:
    """Import a module, looking in the folders first.

    Raises:
        UserError: it cannot be imported; the message tells the error and its line.
    """
    with _importing(name, folders):
        return importlib.import_module(module)


def import_file(name: str, file: str, folders: list[Path]) -> ModuleType:
    """Import a file as the module of its name, or under a name of its own where that one is taken.

    Raises:
        UserError: none of the folders has the file, or it cannot be imported.
    """
    path = next((found for folder in folders if (found := (folder / user_path(file)).resolve()).is_file()), None)
    if path is None:
        raise UserError(
            f"trainable '{name}': there is no file {file} in {' or '.join(map(str, dict.fromkeys(folders)))}"
        )
    with _importing(name, [path.parent]):
        title = (
            path.stem
            if path.stem.isidentifier() and not _taken(path)
            else f"trainable_{sha256(bytes(path)).hexdigest()[:8]}"
        )
        return sys.modules[title] if title in sys.modules else _execute(title, path)


def _taken(path: Path) -> bool:
    """Whether the file's plain name belongs to another module."""
    found = importlib.util.find_spec(path.stem) if path.stem not in sys.modules else sys.modules[path.stem].__spec__
    return found is None or found.origin is None or Path(found.origin).resolve() != path


def _execute(title: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(title, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[title] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[title]
        raise
    return module


@contextmanager
def _importing(name: str, folders: Iterable[Path]) -> Iterator[None]:
    """Look in the folders first while importing, and last from then on; tell an import's failure in a sentence."""
    added = [str(folder) for folder in dict.fromkeys(folders) if folder.is_dir()]
    sys.path[:0] = added
    importlib.invalidate_caches()
    try:
        yield
    except (Exception, SystemExit) as error:
        raise UserError(f"trainable '{name}' cannot be imported: {_told(error)}") from error
    finally:
        del sys.path[: len(added)]
        sys.path.extend(folder for folder in added if folder not in sys.path)


def _told(error: BaseException) -> str:
    """An import error as a clause, with the line of the file in which it arose."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename} line {error.lineno})"
    frames = [
        frame
        for frame in extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and frame.filename != __file__
    ]
    where = f" ({frames[-1].filename} line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"


def trainable_class(name: str, module: ModuleType, attribute: str) -> type:
    """The trainable's class in its module.

    Raises:
        UserError: there is no such class, or it lacks one of a trainable's methods.
    """
    found = getattr(module, attribute, None)
    if not isinstance(found, type):
        what = "does not exist" if found is None else "is not a class"
        raise UserError(f"trainable '{name}' {what}, {nearest(attribute, _trainables_in(module))}")
    if lacking := _lacking(found):
        raise UserError(
            f"trainable '{name}' lacks {', '.join(lacking)}; it has {', '.join(METHODS)} and, at will, validate"
        )
    return found


def _lacking(candidate: type) -> list[str]:
    """The methods that it does not have, or has from the framework's base class only."""
    return [method for method in METHODS if not _defines(candidate, method)]


def _defines(candidate: type, method: str) -> bool:
    owner = next((base for base in candidate.__mro__ if method in vars(base)), None)
    return (
        owner is not None
        and callable(getattr(candidate, method))
        and not owner.__module__.startswith("raise_hpo.trial.")
    )


def _trainables_in(module: ModuleType) -> list[str]:
    """The classes of a module that can be trained."""
    return [name for name, value in vars(module).items() if isinstance(value, type) and not _lacking(value)]
