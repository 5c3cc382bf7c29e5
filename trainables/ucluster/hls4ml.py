"""Read the public HLS4ML LHC jets (Pierini et al., Zenodo 3602254 and 3602260), as UCluster selects them.

A file holds 10 000 jets: ``jets`` with 59 features of a jet, ``jetConstituentList`` with 16 of each of up to 100 (or
150) constituents, zero-padded, images, and names. ``particleFeatureNames`` names a 17th feature, the PDG code, that has
no column; some files have no ``jetConstituentList`` at all. Columns are those that ``prepare_data_multi.py`` of
ViniciusMikuni/UCluster reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from raise_hpo.errors import UserError

from .hdf5 import open_hdf5
from .jets import turned
from .schema import FEATURES, LABELS, POINTS, mass_category, to_table

CONSTITUENTS = "jetConstituentList"
_E, _E_REL, _PT, _PT_REL, _ETA_REL, _PHI, _PHI_REL, _DELTA_R, _COS_THETA_REL = 3, 4, 5, 6, 8, 10, 11, 13, 15
_JET_PT, _JET_ETA, _JET_MASS, _MASS_MMDT, _MULTIPLICITY = 1, 2, 3, 48, 52
_JET_COLUMNS, _CONSTITUENT_COLUMNS = 59, 16
_FLAGS = {"w": 55, "z": 56, "t": 57}
"""The columns of ``jets`` that are 1 for jets of a kind."""
MASS_RANGE = (10.0, 200.0)
"""Jets of mass outside, in GeV, are left out, and those of gluons and light quarks, as UCluster does."""
_STEP = 1000


def holds_jets(file: Any) -> bool:
    """Whether an open HDF5 file is one of HLS4ML."""
    return "jets" in file


def read_jets(path: Path) -> Iterator[pa.Table]:
    """Read the W, Z and top jets of a file, some at a time; none of a file without constituents.

    Raises:
        UserError: the file cannot be read, or its arrays have not the public shapes.
    """
    with open_hdf5(path) as file:
        if CONSTITUENTS not in file:
            return
        jets, inside = file["jets"], file[CONSTITUENTS]
        _check_shapes(path, jets.shape, inside.shape)
        for first in range(0, len(jets), _STEP):
            own = slice(first, first + _STEP)
            yield to_table(_columns(jets[own], inside[own]))


def _check_shapes(path: Path, jets: tuple[int, ...], inside: tuple[int, ...]) -> None:
    if len(jets) != 2 or jets[1] != _JET_COLUMNS:
        raise UserError(f"'jets' of '{path}' has the shape {jets}, it should be (jets, {_JET_COLUMNS})")
    if len(inside) != 3 or inside[0] != jets[0] or inside[2] != _CONSTITUENT_COLUMNS:
        expected = f"({jets[0]}, constituents, {_CONSTITUENT_COLUMNS})"
        raise UserError(f"'{CONSTITUENTS}' of '{path}' has the shape {inside}, it should be {expected}")


def _columns(jets: NDArray[np.float64], inside: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    flags = jets[:, list(_FLAGS.values())] == 1
    mass = jets[:, _JET_MASS]
    kept = flags.any(1) & (mass > MASS_RANGE[0]) & (mass < MASS_RANGE[1])
    jets, inside, mass = jets[kept], inside[kept, :POINTS], mass[kept]
    labels = np.array([LABELS[kind] for kind in _FLAGS], np.int8)[flags[kept].argmax(1)]
    occupied = inside[..., _PT] > 0
    # The public files have neither the jet's azimuth nor its energy; the leading constituent tells both.
    leading = inside[:, 0]
    energy = leading[:, _E] / np.where(leading[:, _E_REL] > 0, leading[:, _E_REL], 1.0)
    return {
        "points": _points(inside, occupied),
        "pdgid": np.zeros((len(jets), POINTS), np.int32),
        "n_const": occupied.sum(1).astype(np.int16),
        "n_const_all": jets[:, _MULTIPLICITY].astype(np.int16),
        "label": labels,
        "mass_cat": mass_category(mass.astype(np.float32)),
        "jet_pt": jets[:, _JET_PT].astype(np.float32),
        "jet_eta": jets[:, _JET_ETA].astype(np.float32),
        "jet_phi": turned(leading[:, _PHI] - leading[:, _PHI_REL]).astype(np.float32),
        "jet_mass": mass.astype(np.float32),
        "jet_e": energy.astype(np.float32),
        "jet_mass_sd": jets[:, _MASS_MMDT].astype(np.float32),
    }


def _points(inside: NDArray[np.float64], occupied: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Our features, in our order; the last one is what UCluster reads in place of the particle's kind."""
    points = np.zeros((len(inside), POINTS, len(FEATURES)), np.float32)
    width = inside.shape[1]
    for number, column in enumerate((_ETA_REL, _PHI_REL, _PT, _E, _PT_REL, _E_REL, _DELTA_R, _COS_THETA_REL)):
        values = inside[..., column]
        if column in (_PT, _E, _PT_REL, _E_REL):
            values = np.log(values, out=np.zeros_like(values), where=values > 0)
        points[:, :width, number] = np.where(occupied & np.isfinite(values), values, 0.0)
    return points
