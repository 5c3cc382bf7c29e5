"""HDF5 files, opened with h5py alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from raise_hpo.errors import UserError, first_line


def open_hdf5(path: Path) -> Any:
    """Open an HDF5 file for reading.

    Raises:
        UserError: h5py is not installed, or the file is missing or not whole.
    """
    try:
        import h5py
    except ImportError as error:
        raise UserError("reading HDF5 files needs h5py: install raise-hpo[generate]") from error
    if not path.is_file():
        raise UserError(f"no file '{path}'")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise UserError(f"'{path}' is not a readable HDF5 file: {first_line(error)}") from error
