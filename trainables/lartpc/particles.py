"""The particles that are told apart, and those they make, with constants of the Particle Data Group (2022 review)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

PHOTON, ELECTRON, MUON, PI_ZERO, PION, KAON, PROTON, NEUTRINO = 22, 11, 13, 111, 211, 321, 2212, 12
"""PDG codes. Antiparticles have the negative code; 11 and 13 are negatively charged, 211 and 321 positively. Neutrinos
are all 12 here, as none of them is seen."""
MASSES = {
    PHOTON: 0.0,
    NEUTRINO: 0.0,
    ELECTRON: 0.51099895,
    MUON: 105.6583755,
    PI_ZERO: 134.9768,
    PION: 139.57039,
    KAON: 493.677,
    PROTON: 938.27208816,
}
"""In MeV, by the code without its sign."""
DECAY_LENGTHS = {MUON: 65_864.0, PION: 780.45, KAON: 371.1}
"""``c tau`` in cm."""
INTERACTION_LENGTHS = {PION: 76.0, KAON: 130.0}
"""Mean free path in cm between nuclear interactions in liquid argon, taken as the same at all energies: hand-picked."""

CLASS_NAMES = ("gamma", "electron", "muon", "pion", "kaon")
"""The classes, in the order of the talk's confusion matrix; both charges are one class."""
LABELS = {PHOTON: 0, ELECTRON: 1, MUON: 2, PION: 3, KAON: 4}
"""A class's number, by the code without its sign."""


class Particle(NamedTuple):
    """A particle on its way.

    Attributes:
        pdg: Its code.
        kinetic: Kinetic energy in MeV.
        position: x (drift), y (up) and z (beam) in cm.
        direction: Unit vector.
    """

    pdg: int
    kinetic: float
    position: Vector
    direction: Vector


def kinetic_energy(pdg: int, momentum: float) -> float:
    """The kinetic energy in MeV of a particle with a momentum in MeV/c."""
    mass = MASSES[abs(pdg)]
    return float(np.hypot(momentum, mass)) - mass


def is_positive(pdg: int) -> bool:
    """Whether a charged particle's charge is positive."""
    return (pdg > 0) == (abs(pdg) > MUON)
