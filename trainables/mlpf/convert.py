"""Turn public MLPF files into our event files.

Two kinds are read: the pickles of Zenodo 4559324 (``tev14_pythia8_*.pkl.bz2``) and ROOT files written by Delphes.
"""

from __future__ import annotations

import bz2
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from raise_hpo.errors import UserError
from trainables.blocks import Progress
from trainables.event_files import converted_from, read_in_turn

from .delphes_root import read_delphes
from .safe_pickle import load_arrays
from .schema import WIDTHS, Event, write_events

SUFFIXES = (".pkl.bz2", ".pkl", ".root")


def read_events(path: str | Path) -> Iterator[Event]:
    """Read a public file, recognised by its suffix.

    Raises:
        UserError: the file is missing, of an unknown kind, damaged, or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no file '{path}'")
    if path.name.endswith(".root"):
        return read_delphes(path)
    if path.name.endswith((".pkl", ".pkl.bz2")):
        return read_pickle(path)
    raise UserError(f"do not know how to read '{path}'; names of valid files end in {', '.join(SUFFIXES)}")


def read_pickle(path: Path) -> Iterator[Event]:
    """Read the public pickle format: a dict of lists, one array an event.

    ``X`` and ``ygen`` must be there; where ``ycand`` is not, its rows are 0. ``ygen_remaining`` is left out. Nothing
    but numpy arrays is admitted, so a file made to run code is refused.

    Raises:
        UserError: the file is damaged or holds something else.
    """
    try:
        with _opened(path) as file:
            content = load_arrays(file)
    except Exception as error:  # damaged bytes can raise nearly anything
        cause = str(error).strip() or type(error).__name__
        raise UserError(f"'{path}' is not a readable pickle of MLPF events: {cause}") from error
    columns = {name: _column(path, content, name) for name in WIDTHS if name == "X" or _has(content, name)}
    if "ygen" not in columns:
        raise UserError(f"'{path}' has no 'ygen', so it holds no MLPF events to learn from")
    columns.setdefault("ycand", [np.zeros_like(target) for target in columns["ygen"]])
    _check_aligned(path, columns)
    return (Event(*arrays) for arrays in zip(*(columns[name] for name in WIDTHS), strict=True))


def _opened(path: Path) -> IO[bytes]:
    return bz2.open(path, "rb") if path.name.endswith(".bz2") else path.open("rb")


def _has(content: Any, name: str) -> bool:
    return isinstance(content, dict) and name in content


def _column(path: Path, content: Any, name: str) -> list[NDArray[np.float32]]:
    if not _has(content, name) or not isinstance(content[name], list):
        raise UserError(f"'{path}' has no list '{name}', so it holds no MLPF events")
    arrays = [np.asarray(array, dtype=np.float32) for array in content[name] if isinstance(array, np.ndarray)]
    if len(arrays) < len(content[name]) or any(a.ndim != 2 or a.shape[1] != WIDTHS[name] for a in arrays):
        raise UserError(f"'{name}' of '{path}' should be a list of arrays of {WIDTHS[name]} columns")
    return arrays


def _check_aligned(path: Path, columns: dict[str, list[NDArray[np.float32]]]) -> None:
    sizes = {name: [len(array) for array in arrays] for name, arrays in columns.items()}
    for name, own in sizes.items():
        if own != sizes["X"]:
            raise UserError(f"'{path}' is damaged: '{name}' and 'X' differ in length")


def convert_files(sources: Sequence[str | Path], path: str | Path, progress: Progress | None = None) -> int:
    """Turn public files into one Parquet file and return its number of events.

    Args:
        sources: the files, in the order wanted.
        path: the Parquet file to write.
        progress: told the file that is being read, its number and how many there are.

    Raises:
        UserError: a source cannot be read, or the result cannot be written.
    """
    return write_events(read_in_turn(sources, read_events, progress), path, converted_from(sources))
