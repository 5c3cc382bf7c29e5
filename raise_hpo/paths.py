"""Paths as users write them: from home, or from the folder of the study file that they stand in."""

import os
import re
from pathlib import Path
from typing import Any

_DATA_FILE = re.compile(r".*\.(parquet|root|h5|hdf5|npz|npy|csv|json|ya?ml|pkl|bz2|gz|xz|zip|tar|txt)", re.IGNORECASE)


def user_path(text: str | Path) -> Path:
    """The path with a leading ``~/`` written out; ``~name`` is left as it is."""
    path = Path(text)
    return path.expanduser() if path.parts[:1] == ("~",) else path


def absolute(text: str | Path, folder: str | Path) -> str:
    """Write out a path that is meant from ``folder``."""
    return os.path.abspath(folder / user_path(text))


def absolute_data(value: Any, folder: Path) -> Any:
    """Write out the relative paths in a ``data`` section, whatever its keys.

    A text is taken for a path if it begins with ``./``, ``../`` or ``~/``, ends like a data file, or has a slash and
    names something in the folder. URLs stay as they are. What is written out once stays the same from then on.
    """
    if isinstance(value, dict):
        return {key: absolute_data(part, folder) for key, part in value.items()}
    if isinstance(value, list):
        return [absolute_data(part, folder) for part in value]
    return absolute(value, folder) if isinstance(value, str) and _is_path(value, folder) else value


def absolute_trainable(name: str, folder: Path) -> str:
    """Write out the path of ``path/file.py:Class`` where the folder has that file; leave other names as they are."""
    home, _, attribute = name.rpartition(":")
    if home.endswith(".py") and os.path.isfile(absolute(home, folder)):
        return f"{absolute(home, folder)}:{attribute}"
    return name


def _is_path(text: str, folder: Path) -> bool:
    if "://" in text or "\n" in text:
        return False
    if text.startswith(("./", "../", "~/")) or _DATA_FILE.fullmatch(text):
        return True
    return "/" in text and os.path.exists(folder / text)
