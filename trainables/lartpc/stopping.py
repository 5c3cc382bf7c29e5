"""How fast heavy charged particles lose energy in liquid argon, compiled by numba. Energies in MeV, lengths in cm.

The formulae are those of the review "Passage of particles through matter" (Particle Data Group): Bethe's mean loss with
Sternheimer's density effect, and the spectrum of knock-on electrons. The constants of argon are those of D. E. Groom,
N. V. Mokhov, S. I. Striganov, At. Data Nucl. Data Tables 78, 183 (2001).
"""

from __future__ import annotations

import math

from numba import njit

from trainables.cascade import MATERIALS
from trainables.cascade.materials import ELECTRON_MASS

ARGON = MATERIALS["LAr"]
RADIATION_LENGTH = ARGON.radiation_length
RUTHERFORD = 0.153537 * ARGON.z_over_a * ARGON.density
"""``K/2 Z/A density`` in MeV/cm: the width of the loss's distribution for a unit of length and ``beta = 1``."""
_EXCITATION = ARGON.excitation * 1e-6
_A, _K, _X0, _X1, _C = 0.19559, 3.0, 0.2, 3.0, 5.2146
"""Sternheimer's parameters of the density effect."""
_TWO_LN10 = 2.0 * math.log(10.0)


@njit(cache=True)
def beta_squared(kinetic, mass):
    """The square of a particle's velocity."""
    gamma = kinetic / mass + 1.0
    return 1.0 - 1.0 / (gamma * gamma)


@njit(cache=True)
def largest_transfer(kinetic, mass):
    """The most energy that a particle can give to an electron."""
    gamma = kinetic / mass + 1.0
    ratio = ELECTRON_MASS / mass
    return 2.0 * ELECTRON_MASS * (gamma * gamma - 1.0) / (1.0 + 2.0 * gamma * ratio + ratio * ratio)


@njit(cache=True)
def density_effect(kinetic, mass):
    """Sternheimer's correction for the polarisation of the medium."""
    gamma = kinetic / mass + 1.0
    x = 0.5 * math.log10(gamma * gamma - 1.0)
    if x < _X0:
        return 0.0
    tail = _A * (_X1 - x) ** _K if x < _X1 else 0.0
    return _TWO_LN10 * x - _C + tail


@njit(cache=True)
def stopping_power(kinetic, mass, cut):
    """Mean loss in MeV/cm by collisions that transfer less than `cut`; all of them where `cut` is large."""
    gamma2 = (kinetic / mass + 1.0) ** 2
    beta2, most = beta_squared(kinetic, mass), largest_transfer(kinetic, mass)
    below = min(cut, most)
    logarithm = math.log(2.0 * ELECTRON_MASS * beta2 * gamma2 * below / _EXCITATION**2)
    shape = beta2 * (1.0 + below / most) + density_effect(kinetic, mass)
    return max(RUTHERFORD / beta2 * (logarithm - shape), 0.0)


@njit(cache=True)
def knock_on_rate(kinetic, mass, cut):
    """Number per cm of electrons that get more than `cut`: the integral of ``1/W² (1 - beta² W / W_max)``."""
    beta2, most = beta_squared(kinetic, mass), largest_transfer(kinetic, mass)
    if most <= cut:
        return 0.0
    return RUTHERFORD / beta2 * (1.0 / cut - 1.0 / most - beta2 / most * math.log(most / cut))


@njit(cache=True)
def knock_on_energy(rng, kinetic, mass, cut):
    """Draw the kinetic energy of an electron that gets more than `cut`."""
    beta2, most = beta_squared(kinetic, mass), largest_transfer(kinetic, mass)
    while True:
        energy = 1.0 / (1.0 / cut - rng.random() * (1.0 / cut - 1.0 / most))
        if rng.random() < 1.0 - beta2 * energy / most:
            return energy


@njit(cache=True)
def soft_loss(rng, kinetic, mass, length, cut):
    """Draw the loss over `length` by collisions below `cut`, which are so many that it is nearly Gaussian (Bohr)."""
    # The loss at the energy half-way keeps the mean exact to second order in the step.
    start = stopping_power(kinetic, mass, cut)
    half = stopping_power(max(kinetic - 0.5 * start * length, 0.5 * kinetic), mass, cut)
    beta2, most = beta_squared(kinetic, mass), largest_transfer(kinetic, mass)
    below, mean = min(cut, most), half * length
    spread = math.sqrt(RUTHERFORD / beta2 * length * below * (1.0 - 0.5 * beta2 * below / most))
    # Cut off at the same distance on both sides, so that the mean stays.
    return mean + min(max(spread * rng.normal(), -0.9 * mean), 0.9 * mean)
