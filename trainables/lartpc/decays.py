"""What unstable particles decay to. Branching fractions of the Particle Data Group (2022 review)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .kinematics import boosted, isotropic, phase_space
from .particles import ELECTRON, KAON, MASSES, MUON, NEUTRINO, PHOTON, PI_ZERO, PION, Particle, is_positive

Products = list[tuple[int, NDArray[np.float64]]]
"""PDG code and four-momentum of each particle that is made."""

MICHEL_ENDPOINT = (MASSES[MUON] ** 2 + MASSES[ELECTRON] ** 2) / (2.0 * MASSES[MUON])
"""The most energy, 52.83 MeV, that an electron has from a muon at rest."""
_KAON_MODES = (
    (0.6356, (-MUON, NEUTRINO)),
    (0.2067, (PION, PI_ZERO)),
    (0.0558, (PION, PION, -PION)),
    (0.0507, (PI_ZERO, -ELECTRON, NEUTRINO)),
    (0.0335, (PI_ZERO, -MUON, NEUTRINO)),
    (0.0176, (PION, PI_ZERO, PI_ZERO)),
)
"""Those of K+, with what they make; K- makes the antiparticles."""
_ONLY_MODES = {PION: (-MUON, NEUTRINO), PI_ZERO: (PHOTON, PHOTON)}
_ITS_OWN_ANTIPARTICLE = (PHOTON, PI_ZERO, NEUTRINO)


def decay_at_rest(pdg: int, rng: np.random.Generator) -> Products:
    """What a muon, pion, kaon or neutral pion makes, in its rest frame.

    A muon's electron has Michel's spectrum, ``x² (3 - 2x)`` for unpolarised muons, and goes in any direction; its
    neutrinos are left out. Three-body decays are spread evenly over phase space. A neutral pion makes two photons.
    """
    kind = abs(pdg)
    if kind == MUON:
        return [(ELECTRON if pdg > 0 else -ELECTRON, _michel_electron(rng))]
    made = _kaon_mode(rng) if kind == KAON else _ONLY_MODES[kind]
    momenta = phase_space(MASSES[kind], [MASSES[abs(code)] for code in made], rng)
    sign = 1 if pdg > 0 else -1
    return [(code if code in _ITS_OWN_ANTIPARTICLE else sign * code, p) for code, p in zip(made, momenta, strict=True)]


def _kaon_mode(rng: np.random.Generator) -> tuple[int, ...]:
    fractions = np.array([fraction for fraction, _ in _KAON_MODES])
    return _KAON_MODES[rng.choice(len(fractions), p=fractions / fractions.sum())][1]


def _michel_electron(rng: np.random.Generator) -> NDArray[np.float64]:
    while True:
        x = rng.uniform()
        if rng.uniform() < x * x * (3.0 - 2.0 * x):
            break
    energy = max(x * MICHEL_ENDPOINT, MASSES[ELECTRON])
    momentum = np.sqrt(energy**2 - MASSES[ELECTRON] ** 2)
    return np.concatenate([[energy], momentum * isotropic(rng)])


def decayed(particle: Particle, rng: np.random.Generator) -> list[Particle]:
    """The visible particles that one makes where it is, at rest or in flight."""
    mass = MASSES[abs(particle.pdg)]
    energy = particle.kinetic + mass
    frame = np.concatenate([[energy], np.sqrt(energy**2 - mass**2) * particle.direction])
    codes, momenta = zip(*decay_at_rest(particle.pdg, rng), strict=True)
    seen = zip(codes, boosted(np.array(momenta), frame), strict=True)
    return [_flying(code, momentum, particle) for code, momentum in seen if code != NEUTRINO]


def _flying(pdg: int, momentum: NDArray[np.float64], origin: Particle) -> Particle:
    size = float(np.linalg.norm(momentum[1:]))
    kinetic = max(float(momentum[0]) - MASSES[abs(pdg)], 0.0)
    return Particle(pdg, kinetic, origin.position, momentum[1:] / max(size, 1e-12))


def decays_at_rest(pdg: int) -> bool:
    """Whether a stopped particle decays for certain: nuclei attract negative ones."""
    return is_positive(pdg)
