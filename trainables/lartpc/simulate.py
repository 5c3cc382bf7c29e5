"""One particle and all it makes in liquid argon: where how much energy is deposited.

Electrons, positrons and photons are followed by `trainables.cascade`, heavier particles by `tracks`; both are Monte
Carlos of our own, and not Geant4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainables.cascade import Cuts, deposits, seed

from .decays import decayed, decays_at_rest
from .interactions import captured, interacted
from .kinematics import isotropic
from .particles import ELECTRON, PHOTON, PI_ZERO, PROTON, Particle, kinetic_energy
from .tracks import DECAYED, INTERACTED, walk

ELECTRON_LOSS = 2.2
"""MeV/cm: about what electrons lose at all energies that matter; it sets how much of their charge recombines."""
_CUTS = Cuts(electron=0.25, photon=0.05, radiation=0.3, step=0.015)
_FAINTEST = 0.1
"""MeV: particles below are left out."""


def simulate(pdg: int, momentum: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Let a particle start at the origin in a random direction.

    Args:
        pdg: PDG code of a photon, electron, muon, charged pion, kaon or proton, or of an antiparticle.
        momentum: In MeV/c.
        rng: Source of all random numbers.

    Returns:
        ``(n, 5)``: x (drift), y (up), z (beam) in cm, energy in MeV and energy by length in MeV/cm of each deposit.
    """
    return follow(Particle(pdg, kinetic_energy(pdg, momentum), np.zeros(3), isotropic(rng)), rng)


def follow(particle: Particle, rng: np.random.Generator) -> NDArray[np.float64]:
    """The deposits of a particle and all it makes, as `simulate` returns them."""
    seed(int(rng.integers(2**31)))  # of the cascade, which draws its own
    waiting, found = [particle], [np.empty((0, 5))]
    while waiting:
        left, made = _one(waiting.pop(), rng)
        found.append(left)
        waiting += made
    return np.concatenate(found)


def _one(particle: Particle, rng: np.random.Generator) -> tuple[NDArray[np.float64], list[Particle]]:
    """What one particle deposits itself, and the particles it makes."""
    kind = abs(particle.pdg)
    if kind == PI_ZERO:
        return np.empty((0, 5)), decayed(particle, rng)
    if kind in (PHOTON, ELECTRON):
        return _shower(particle), []
    track = walk(particle, rng)
    if kind == PROTON:
        return track.deposits, track.electrons
    if track.fate == INTERACTED:
        return track.deposits, track.electrons + interacted(track.end, rng)
    ends = decayed if track.fate == DECAYED or decays_at_rest(particle.pdg) else captured
    return track.deposits, track.electrons + ends(track.end, rng)


def _shower(particle: Particle) -> NDArray[np.float64]:
    if particle.kinetic < _FAINTEST:
        return np.empty((0, 5))
    found = deposits(particle.pdg, particle.kinetic, particle.position, particle.direction, "LAr", _CUTS)
    return np.column_stack([found, np.full(len(found), ELECTRON_LOSS)])
