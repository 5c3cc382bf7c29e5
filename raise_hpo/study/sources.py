"""The earlier studies that a study begins from, as a study file names them."""

from pathlib import Path
from typing import Any

from raise_hpo.errors import UserError
from raise_hpo.folder import find_study
from raise_hpo.paths import absolute
from raise_hpo.space.errors import shown

_TABLES = (".csv", ".parquet")


def absolute_sources(value: Any, folder: Path) -> Any:
    """Write out the paths among the sources, which are meant from `folder`; leave names and mistakes as they are."""
    if isinstance(value, list | tuple):
        return [absolute_sources(each, folder) for each in value]
    return absolute(value, folder) if isinstance(value, str) and _is_path(value) else value


def written_out(value: Any) -> list[str]:
    """The sources as absolute paths, each once; names are looked up among the studies here.

    What is absolute already is not looked at, so that a study can be read when its earlier studies are gone.

    Raises:
        ValueError: it is no list of texts, or there is no study of a name.
    """
    sources = [value] if isinstance(value, str) else value
    if not isinstance(sources, list | tuple) or not all(isinstance(each, str) and each for each in sources):
        raise ValueError(f"is {shown(value)}, but must be a list of studies and of .csv or .parquet tables of curves")
    return list(dict.fromkeys(map(_written_out, sources)))


def _written_out(source: str) -> str:
    if _is_path(source):
        return absolute(source, Path.cwd())
    try:
        return str(find_study(source).path.resolve())
    except UserError as error:
        raise ValueError(f"cannot be used: {error}") from None


def _is_path(source: str) -> bool:
    return "/" in source or source.startswith("~") or source.endswith(_TABLES)
