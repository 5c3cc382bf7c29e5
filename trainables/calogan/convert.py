"""Turn the public showers of CLIC's electromagnetic calorimeter (HDF5) into our event files.

Two kinds are read, told apart by the shape of ``ECAL``. Both come with quirks, which are undone:

* 25x25x25 cells at a fixed angle (Zenodo 3603086): cells in GeV; the primary energy in GeV is column 1 of ``target``,
  or, in older files, ``energy`` of shape ``(N, 1, 2)`` at ``[:, 0, 1]``.
* 51x51x25 cells at an angle that varies: cells in GeV **times 50**; ``energy`` in GeV, ``theta`` in rad (or, where
  it is missing, ``mtheta``, as measured from the cells).

Sources: ``keras/EcalEnergyTrain.py`` of https://github.com/svalleco/3Dgan and ``use-cases/3dgan/dataloader.py`` of
https://github.com/interTwin-eu/itwinai.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raise_hpo.errors import UserError, first_line
from trainables.blocks import Progress
from trainables.event_files import converted_from, read_in_turn

from .schema import ANGLE_SHAPE, FIXED_SHAPE, SHAPES, Shower, write_showers

SUFFIXES = (".h5", ".hdf5")
ANGLE_FACTOR = 50.0
"""What cell energies are multiplied with in files whose angle varies."""
_CHUNK = 64


def read_showers(path: str | Path) -> Iterator[Shower]:
    """Read a public file.

    Raises:
        UserError: the file is missing, is not HDF5, or holds something else.
    """
    import h5py

    path = Path(path)
    if not path.is_file():
        raise UserError(f"no file '{path}'")
    if path.suffix not in SUFFIXES:
        raise UserError(f"do not know how to read '{path}'; names of valid files end in {', '.join(SUFFIXES)}")
    try:
        with h5py.File(path) as file:
            yield from _showers(path, file)
    except OSError as error:
        raise UserError(f"'{path}' is not a readable HDF5 file: {first_line(error)}") from error


def _showers(path: Path, file: Any) -> Iterator[Shower]:
    if "ECAL" not in file:
        raise UserError(f"'{path}' has no data set 'ECAL'; it has {', '.join(file) or 'none'}")
    images = file["ECAL"]
    if images.shape[1:] not in SHAPES:
        raise UserError(f"'ECAL' of '{path}' has the shape {images.shape}; valid: (N, 25, 25, 25) or (N, 51, 51, 25)")
    fixed = images.shape[1:] == FIXED_SHAPE
    energy = _checked(path, "energies", _energy(path, file), len(images))
    theta = np.full(len(images), math.pi / 2) if fixed else _checked(path, "angles", _theta(path, file), len(images))
    for begin in range(0, len(images), _CHUNK):
        cells = np.asarray(images[begin : begin + _CHUNK], np.float32)
        if not np.isfinite(cells).all() or (cells < 0).any():
            raise UserError(f"'ECAL' of '{path}' holds values that are negative or not finite")
        for i, own in enumerate(cells if fixed else cells / np.float32(ANGLE_FACTOR), begin):
            yield Shower(own, float(energy[i]), float(theta[i]))


def _energy(path: Path, file: Any) -> NDArray[Any]:
    if file["ECAL"].shape[1:] == ANGLE_SHAPE and "energy" in file:
        return np.asarray(file["energy"]).reshape(-1)
    if "target" in file and file["target"].ndim == 2 and file["target"].shape[1] > 1:
        return np.asarray(file["target"][:, 1])
    if "energy" in file and file["energy"].shape[1:] == (1, 2):
        return np.asarray(file["energy"][:, 0, 1])
    raise UserError(f"'{path}' tells no primary energies: 'target' of 2 columns or more, or 'energy', is missing")


def _theta(path: Path, file: Any) -> NDArray[Any]:
    for name in ("theta", "mtheta"):
        if name in file:
            return np.asarray(file[name]).reshape(-1)
    raise UserError(f"'{path}' tells no angles: 'theta' or 'mtheta' is missing; it has {', '.join(file)}")


def _checked(path: Path, what: str, values: NDArray[Any], count: int) -> NDArray[Any]:
    if len(values) != count or not np.isfinite(values).all() or (values <= 0).any():
        raise UserError(f"'{path}' holds {len(values)} {what} of {count} showers, or some that are not positive")
    return values


def convert_files(sources: Sequence[str | Path], path: str | Path, progress: Progress | None = None) -> int:
    """Turn public files into one Parquet file and return its number of showers.

    Args:
        sources: the files, in the order wanted, all of the same shape.
        path: the Parquet file to write.
        progress: told the file that is being read, its number and how many there are.

    Raises:
        UserError: a source cannot be read, or the result cannot be written.
    """
    return write_showers(read_in_turn(sources, read_showers, progress), path, converted_from(sources))
