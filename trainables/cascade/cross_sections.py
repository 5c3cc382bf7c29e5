"""How often photons interact and how fast electrons lose energy, in MeV and cm; a medium is a `Material.row`."""

from __future__ import annotations

import math

from numba import njit

from .materials import ELECTRON_MASS

X0, DENSITY, Z_OVER_A, EXCITATION, ATOMIC_NUMBER, MOLAR_MASS, CRITICAL, PHOTO, PLASMA = range(9)
"""Columns of a medium."""

BARN_MOLES = 0.602214076
"""Avogadro's number times a barn, in cm²/mol."""
COLLISION = 0.153537
"""``2 pi r_e² m_e c² N_A`` in MeV cm²/mol."""
_PAIR_FIT = (1.5, 8e4)
"""Between these energies the fit of the pair cross section holds."""


@njit(cache=True, fastmath=True)
def collision_loss(kinetic, medium):
    """Mean collision loss of an electron in MeV/cm.

    Berger and Seltzer's formula (ICRU report 37) with the density effect in its high-energy limit.
    """
    tau = kinetic / ELECTRON_MASS
    gamma = tau + 1.0
    beta2 = max(1.0 - 1.0 / (gamma * gamma), 1e-4)
    excitation = medium[EXCITATION] * 1e-6 / ELECTRON_MASS
    shape = 1.0 - beta2 + (tau * tau / 8.0 - (2.0 * tau + 1.0) * math.log(2.0)) / (gamma * gamma)
    logarithm = math.log(tau * tau * (tau + 2.0) / (2.0 * excitation * excitation))
    density = 2.0 * math.log(medium[PLASMA] / medium[EXCITATION] * math.sqrt(beta2) * gamma) - 1.0
    return COLLISION * medium[Z_OVER_A] * medium[DENSITY] / beta2 * (logarithm + shape - max(density, 0.0))


@njit(cache=True, fastmath=True)
def screening(kinetic):
    """Bremsstrahlung relative to complete screening, 1 at high energies: a smooth curve of our own.

    It follows the course of NIST's radiative stopping powers (ESTAR) roughly, alike for all materials.
    """
    return 1.0 - 0.25 / (1.0 + (kinetic / 30.0) ** 0.7)


@njit(cache=True, fastmath=True)
def soft_radiation_loss(kinetic, cut, medium):
    """Mean loss of an electron in MeV/cm by bremsstrahlung photons below `cut`, which are not followed."""
    return screening(kinetic) * 4.0 / 3.0 * min(cut, kinetic) / medium[X0]


@njit(cache=True, fastmath=True)
def radiation_rate(kinetic, cut, medium):
    """Bremsstrahlung photons above `cut` that an electron emits a cm.

    ``dN/dk dx = (4/3 - 4/3 y + y²) / (X0 k)`` with ``y = k/E``: complete screening, without the suppression of soft
    photons by Landau, Pomeranchuk and Migdal.
    """
    if kinetic <= cut:
        return 0.0
    y = cut / kinetic
    return screening(kinetic) * (4.0 / 3.0 * (y - 1.0 - math.log(y)) + 0.5 * (1.0 - y * y)) / medium[X0]


@njit(cache=True, fastmath=True)
def pair_rate(energy, medium):
    """Pairs that a photon makes a cm.

    The fit to the tables of Hubbell, Gimm and Overbo, J. Phys. Chem. Ref. Data 9 (1980) 1023, in the form of the
    Geant4 physics reference manual ("Gamma conversion").
    """
    threshold = 2.0 * ELECTRON_MASS
    if energy <= threshold:
        return 0.0
    x = math.log(min(max(energy, _PAIR_FIT[0]), _PAIR_FIT[1]) / ELECTRON_MASS)
    f1 = 8.7842e2 + x * (-1.9625e3 + x * (1.2949e3 + x * (-2.0028e2 + x * (1.2575e1 - 2.8333e-1 * x))))
    f2 = -1.0342e1 + x * (1.7692e1 + x * (-8.2381 + x * (1.3063 + x * (-9.0815e-2 + 2.3586e-3 * x))))
    f3 = -4.5263e2 + x * (1.1161e3 + x * (-8.6749e2 + x * (2.1773e2 + x * (-2.0467e1 + 6.5372e-1 * x))))
    z = medium[ATOMIC_NUMBER]
    microbarn = max(0.0, z * (z + 1.0) * (f1 + f2 * z + f3 / z))
    if energy < _PAIR_FIT[0]:
        microbarn *= ((energy - threshold) / (_PAIR_FIT[0] - threshold)) ** 2
    return microbarn * 1e-6 * BARN_MOLES / medium[MOLAR_MASS] * medium[DENSITY]


@njit(cache=True, fastmath=True)
def compton_rate(energy, medium):
    """Scatterings of a photon on free electrons a cm (Klein and Nishina)."""
    k = energy / ELECTRON_MASS
    logarithm = math.log(1.0 + 2.0 * k)
    total = (1.0 + k) / k**3 * (2.0 * k * (1.0 + k) / (1.0 + 2.0 * k) - logarithm)
    total += logarithm / (2.0 * k) - (1.0 + 3.0 * k) / (1.0 + 2.0 * k) ** 2
    return 0.75 * 0.66524587 * total * BARN_MOLES * medium[Z_OVER_A] * medium[DENSITY]


@njit(cache=True, fastmath=True)
def photo_rate(energy, medium):
    """Photo-effects of a photon a cm: power laws through the cross section at 0.5 MeV, from 0.1 MeV on within 20 %."""
    if energy < 0.5:
        falls = (energy / 0.5) ** (0.006 * medium[ATOMIC_NUMBER] - 3.05)
    elif energy < 1.0:
        falls = (energy / 0.5) ** -2.25
    else:
        falls = 2.0**-2.25 * energy**-1.6
    return medium[PHOTO] * medium[DENSITY] * falls
