"""What nuclei make of pions, kaons and muons: a schematic model, with probabilities and spectra picked by hand.

It gives images the features that tell these particles apart (stubs of protons, secondary pions, photons of neutral
pions) and conserves energy from above: what is seen is at most what was there. Neutrons are not seen and take the rest.
"""

from __future__ import annotations

import numpy as np

from .decays import decayed
from .kinematics import isotropic, turned
from .particles import KAON, MASSES, MUON, PHOTON, PI_ZERO, PION, PROTON, Particle

MUON_CAPTURE = 0.756
"""Share of stopped negative muons that argon captures: their lifetime there is 537 ns instead of 2197 ns (T. Suzuki,
D. F. Measday, J. P. Roalsvig, Phys. Rev. C 35, 2212 (1987))."""
_ABSORBED, _CHARGE_EXCHANGE = 0.35, 0.15
"""Shares of a pion's interactions; in the others it is scattered."""
_SEPARATION = 8.0
"""MeV to free a nucleon."""


def captured(particle: Particle, rng: np.random.Generator) -> list[Particle]:
    """What a stopped negative particle makes: a muon decays or is captured, pions and kaons are absorbed."""
    kind = abs(particle.pdg)
    if kind == MUON:
        if rng.uniform() > MUON_CAPTURE:
            return decayed(particle, rng)
        return nucleus(particle, 40.0, 0.2, 8.0, rng)  # most of the energy goes to the neutrino
    if kind == PION:
        return nucleus(particle, MASSES[PION], 2.0, 15.0, rng)
    return _kaon_capture(particle, rng)


def _kaon_capture(particle: Particle, rng: np.random.Generator) -> list[Particle]:
    """A K- makes a hyperon and a pion; the hyperon's decay gives a proton and another pion, here and at once."""
    pion = PION if rng.uniform() < 0.5 else -PION
    first = _made(pion, rng.uniform(40.0, 100.0), particle, isotropic(rng))
    second = _made(-PION if rng.uniform() < 0.64 else PI_ZERO, rng.uniform(20.0, 45.0), particle, isotropic(rng))
    return [first, second, *nucleus(particle, 60.0, 1.0, 15.0, rng)]


def interacted(particle: Particle, rng: np.random.Generator) -> list[Particle]:
    """What a pion or kaon makes that meets a nucleus in flight."""
    if abs(particle.pdg) == KAON:
        return _scattered(particle, rng.uniform(0.5, 1.0), 0.6, rng)
    chosen = rng.uniform()
    if chosen < _ABSORBED:
        available = particle.kinetic + MASSES[PION]
        return nucleus(particle, available, 2.2, min(0.3 * particle.kinetic + 20.0, 120.0), rng)
    share = rng.uniform(0.4, 1.0)
    if chosen < _ABSORBED + _CHARGE_EXCHANGE:
        return _scattered(particle._replace(pdg=PI_ZERO), share, 0.7, rng)
    return _scattered(particle, share, 0.8, rng)


def _scattered(particle: Particle, share: float, protons: float, rng: np.random.Generator) -> list[Particle]:
    """The particle goes on with a share of its energy, mostly forward; some of the rest is seen."""
    cosine = 1.0 - 1.4 * rng.uniform() ** 2
    out = _made(particle.pdg, share * particle.kinetic, particle, turned(particle.direction, cosine, rng))
    return [out, *nucleus(particle, (1.0 - share) * particle.kinetic, protons, 30.0, rng)]


def nucleus(
    at: Particle, available: float, protons: float, mean_kinetic: float, rng: np.random.Generator
) -> list[Particle]:
    """Protons and photons that a struck nucleus throws out, with at most the energy that is `available` in MeV.

    Args:
        at: The particle that hit it; its position counts.
        available: Energy given to the nucleus, in MeV.
        protons: Their mean number.
        mean_kinetic: Their mean kinetic energy, in MeV.
        rng: Source of random numbers.
    """
    wanted = [(PROTON, _SEPARATION, rng.exponential(mean_kinetic) + 3.0) for _ in range(rng.poisson(protons))]
    wanted += [(PHOTON, 0.0, rng.uniform(0.5, 5.0)) for _ in range(rng.poisson(1.0))]
    made = []
    for pdg, price, kinetic in wanted:
        if price + kinetic <= available:
            available -= price + kinetic
            made.append(_made(pdg, kinetic, at, isotropic(rng)))
    return made


def _made(pdg: int, kinetic: float, at: Particle, direction: np.ndarray) -> Particle:
    return Particle(pdg, kinetic, at.position, direction)
