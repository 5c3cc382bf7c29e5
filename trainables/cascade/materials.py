"""The media that particles are transported through."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from raise_hpo.errors import UserError, nearest

ELECTRON_MASS = 0.51099895
"""MeV."""


@dataclass(frozen=True)
class Material:
    """A medium.

    The constants are those of the Particle Data Group's tables of atomic and nuclear properties, but for `photo`, which
    is from the tables of Elam, Ravel and Sieber, Radiat. Phys. Chem. 63 (2002) 121.

    Attributes:
        radiation_length: cm.
        density: g/cm³.
        z_over_a: mean number of protons by mass number, mol/g.
        excitation: mean excitation energy, eV.
        z: atomic number, an effective one for mixtures.
        a: molar mass, g/mol.
        critical_energy: of electrons, MeV, by Rossi's definition.
        photo: cross section of the photo-effect at 0.5 MeV, cm²/g.
    """

    radiation_length: float
    density: float
    z_over_a: float
    excitation: float
    z: float
    a: float
    critical_energy: float
    photo: float

    @property
    def plasma_energy(self) -> float:
        """In eV, ``28.816 sqrt(density Z/A)`` (PDG review, "Passage of particles through matter")."""
        return 28.816 * math.sqrt(self.density * self.z_over_a)

    @property
    def moliere_radius(self) -> float:
        """In cm, ``21.2 MeV X0 / critical energy``."""
        return 21.2 * self.radiation_length / self.critical_energy

    def row(self) -> NDArray[np.float64]:
        """The constants as compiled code takes them: the attributes in order, then the plasma energy."""
        return np.array([*astuple(self), self.plasma_energy])


MATERIALS = {
    "W": Material(0.3504, 19.30, 0.40252, 727.0, 74.0, 183.84, 7.97, 5.96e-2),
    "Si": Material(9.370, 2.329, 0.49848, 173.0, 14.0, 28.085, 40.19, 1.85e-4),
    "LAr": Material(14.00, 1.396, 0.45059, 188.0, 18.0, 39.948, 32.84, 4.35e-4),
    "Air": Material(30390.0, 1.205e-3, 0.49919, 85.7, 7.3, 14.6, 87.92, 2.0e-5),
    "Cu": Material(1.436, 8.96, 0.45636, 322.0, 29.0, 63.546, 19.42, 2.57e-3),
}
"""By name: tungsten, silicon, liquid argon, dry air, copper."""


def material(name: str) -> Material:
    """Return a material by its name.

    Raises:
        UserError: there is no such material.
    """
    if name not in MATERIALS:
        raise UserError(f"unknown material '{name}'; {nearest(name, MATERIALS)}")
    return MATERIALS[name]
