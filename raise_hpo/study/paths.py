"""Paths in a study file are meant from its own folder; here they are written out, so that it can run anywhere."""

import re
from pathlib import Path
from typing import Any

_DATA_FILE = re.compile(
    r".*\.(parquet|root|h5|hdf5|npz|npy|csv|json|ya?ml|pkl|pickle|bz2|gz|xz|zip|tar|txt)", re.IGNORECASE
)


def absolute_data(value: Any, folder: Path) -> Any:
    """Write out the relative paths in a ``data`` section, whatever its keys.

    A text is taken for a path if it begins with ``./``, ``../`` or ``~``, ends like a data file, or names something
    that is in the folder. URLs stay as they are.
    """
    if isinstance(value, dict):
        return {key: absolute_data(part, folder) for key, part in value.items()}
    if isinstance(value, list):
        return [absolute_data(part, folder) for part in value]
    if isinstance(value, str) and _is_path(value, folder):
        return _absolute(value, folder)
    return value


def absolute_trainable(name: str, folder: Path) -> str:
    """Write out the path of ``path/file.py:Class`` where the folder has that file; leave other names as they are."""
    home, _, attribute = name.rpartition(":")
    if home.endswith(".py") and (folder / Path(home).expanduser()).is_file():
        return f"{_absolute(home, folder)}:{attribute}"
    return name


def _is_path(text: str, folder: Path) -> bool:
    if "://" in text or "\n" in text or not text:
        return False
    if text.startswith(("./", "../", "~")) or _DATA_FILE.fullmatch(text):
        return True
    return len(text) < 256 and (folder / text).exists()


def _absolute(text: str, folder: Path) -> str:
    return str((folder / Path(text).expanduser()).resolve())
