"""A parametric CMS-like detector in numpy, with the rules and numbers of a Delphes card.

It follows Delphes 3 (de Favereau et al., arXiv:1307.6346) as set up by ``detector_card``: particles fly on helices to
the calorimeters, charged ones leave smeared tracks, towers collect and smear energy, and the energy-flow rule turns
tracks and towers into candidates. It is a re-implementation, not Delphes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from . import detector_card as card
from . import elements
from .helix import propagate
from .particles import Floats, Ints, Particles
from .schema import NEUTRAL_HADRON, PHOTON, Event


def lognormal(mean: Floats, sigma: Floats, rng: Generator) -> Floats:
    """Draw from log-normal distributions of the given mean and standard deviation; 0 where the mean is."""
    safe = np.maximum(mean, 1e-12)
    width = np.sqrt(np.log1p((sigma / safe) ** 2))
    drawn = safe * np.exp(width * rng.standard_normal(len(safe)) - 0.5 * width**2)
    return np.where(mean > 0, drawn, 0.0)


@dataclass(frozen=True)
class Tracks:
    """Measured tracks.

    Attributes:
        particle: index of the particle behind each.
        kind: hadron, electron or muon, as in ``detector_card``.
        pt: measured transverse momentum, GeV.
        eta: measured pseudorapidity.
        phi: measured azimuth.
        resolution: relative resolution of pT.
    """

    particle: Ints
    kind: Ints
    pt: Floats
    eta: Floats
    phi: Floats
    resolution: Floats

    @property
    def energy(self) -> Floats:
        """Energy of a massless particle of this momentum, GeV."""
        return self.pt * np.cosh(self.eta)


def measure_tracks(particles: Particles, eta_outer: Floats, rng: Generator) -> Tracks:
    """Draw which charged particles leave tracks and smear them; hadrons first, then electrons, then muons."""
    kind = card.track_kind(particles.pdg)
    efficiency = np.where(particles.charge != 0, card.track_efficiency(particles.pt, eta_outer, kind), 0.0)
    found = np.flatnonzero(rng.uniform(size=len(particles)) < efficiency)
    found = found[np.argsort(kind[found], kind="stable")]
    pt, eta, phi = particles.pt[found], particles.eta[found], particles.phi[found]
    resolution = card.track_resolution(pt, eta_outer[found], kind[found])
    measured_pt = lognormal(pt, resolution * pt, rng)
    shift = card.ANGULAR_RESOLUTION * rng.standard_normal((2, len(found)))
    return Tracks(found, kind[found], measured_pt, eta + shift[0], _wrapped(phi + shift[1]), resolution)


def _wrapped(phi: Floats) -> Floats:
    return (phi + np.pi) % (2 * np.pi) - np.pi


@dataclass(frozen=True)
class Towers:
    """What one calorimeter measured.

    Attributes:
        energy: ``(t,)``, GeV; 0 for a tower below threshold.
        eta: ``(t,)``, a random point in the tower.
        phi: ``(t,)``, likewise.
        excess: ``(t,)``, energy beyond that of the tower's tracks where it is significant, else 0.
        of_particle: tower that each particle leaves energy in, -1 for none.
        track_scale: factor by which the energy flow corrects each track's momentum, 0 for one that misses the towers.
    """

    energy: Floats
    eta: Floats
    phi: Floats
    excess: Floats
    of_particle: Ints
    track_scale: Floats


def measure_towers(
    calorimeter: card.Calorimeter, particles: Particles, outer: tuple[Floats, Floats], tracks: Tracks, rng: Generator
) -> Towers:
    """Deposit particles' energy in towers, smear it and compare it with the tracks that point there.

    A tower counts where its smeared energy passes the threshold and twice its resolution. The energy beyond that of its
    tracks, if significant against both resolutions, is a neutral excess; otherwise the tracks are scaled to the
    weighted mean of the two measurements.
    """
    named = calorimeter.grid.locate(*outer)
    fraction = calorimeter.fraction(particles.pdg)
    names, tower = np.unique(np.where(fraction > 0, named, -1), return_inverse=True)
    names, tower = names[names >= 0], tower - np.count_nonzero(names < 0)
    eta_low, eta_high, phi_low, phi_high = calorimeter.grid.edges(names)
    centre, hit = 0.5 * (eta_low + eta_high), tower >= 0

    deposit = _summed(tower[hit], (fraction * particles.energy)[hit], len(names))
    energy = lognormal(deposit, calorimeter.sigma(centre, deposit), rng)
    sigma = calorimeter.sigma(centre, energy)
    energy[(energy < calorimeter.energy_min) | (energy < calorimeter.significance_min * sigma)] = 0.0
    eta, phi = rng.uniform(eta_low, eta_high), rng.uniform(phi_low, phi_high)

    excess, scale = _energy_flow(calorimeter, energy, sigma, tower[tracks.particle], tracks)
    return Towers(energy, eta, phi, excess, tower, np.where(named[tracks.particle] >= 0, scale, 0.0))


def _energy_flow(
    calorimeter: card.Calorimeter, energy: Floats, sigma: Floats, tower: Ints, tracks: Tracks
) -> tuple[Floats, Floats]:
    """Return the neutral excess of each tower and the momentum scale of each track (1 where no tower says more)."""
    on = tower >= 0
    charged = _summed(tower[on], tracks.energy[on], len(energy))
    variance = _summed(tower[on], (tracks.resolution * tracks.energy)[on] ** 2, len(energy))
    surplus = np.maximum(energy - charged, 0.0)
    significant = surplus > calorimeter.significance_min * np.sqrt(variance + sigma**2)
    neutral = (surplus > calorimeter.energy_min) & significant
    track_weight, tower_weight = _inverse(variance), _inverse(sigma**2)
    best = (track_weight * charged + tower_weight * energy) * _inverse(track_weight + tower_weight)
    scale = np.where(neutral | (charged <= 0), 1.0, best * _inverse(charged))
    return np.where(neutral, surplus, 0.0), np.where(on, np.append(scale, 1.0)[tower], 1.0)


def _summed(tower: Ints, values: Floats, towers: int) -> Floats:
    return np.bincount(tower, values, towers).astype(np.float64)  # of nothing, bincount is of integers


def _inverse(values: Floats) -> Floats:
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)


def simulate(particles: Particles, rng: Generator, npu: int = -1) -> Event:
    """Send the particles of one bunch crossing through the detector.

    Args:
        particles: visible, stable particles of all its collisions.
        rng: source of all randomness.
        npu: number of pile-up collisions among them, kept with the event.
    """
    particles = particles.select(_inside(particles))
    points = propagate(particles)
    outer = np.arcsinh(points[:, 2] / np.hypot(points[:, 0], points[:, 1])), np.arctan2(points[:, 1], points[:, 0])
    tracks = measure_tracks(particles, outer[0], rng)
    ecal = measure_towers(card.ECAL, particles, outer, tracks, rng)
    hcal = measure_towers(card.HCAL, particles, outer, tracks, rng)
    parts = [
        _track_part(particles, outer, tracks, ecal.track_scale * hcal.track_scale),
        _tower_part(ecal, particles, tracks, electromagnetic=True),
        _tower_part(hcal, particles, tracks, electromagnetic=False),
    ]
    x, ygen, ycand = (np.concatenate(column).astype(np.float32) for column in zip(*parts, strict=True))
    return Event(x, ygen, ycand, npu)


def _inside(particles: Particles) -> NDArray[np.bool_]:
    x, y, z = particles.vertex.T
    inside: NDArray[np.bool_] = (np.hypot(x, y) < card.RADIUS) & (np.abs(z) < card.HALF_LENGTH) & (particles.pt > 3e-5)
    return inside


def _track_part(
    particles: Particles, outer: tuple[Floats, Floats], tracks: Tracks, scale: Floats
) -> tuple[Floats, Floats, Floats]:
    """Rows of X, ygen and ycand for tracks.

    The card takes its muon candidates before angular smearing and energy flow; a hadron or electron whose track misses
    a calorimeter makes no candidate.
    """
    true = particles.select(tracks.particle)
    muon = tracks.kind == card.MUON
    pt = np.where(muon, tracks.pt, tracks.pt * scale)
    eta, phi = np.where(muon, true.eta, tracks.eta), np.where(muon, true.phi, tracks.phi)
    own_outer = outer[0][tracks.particle], outer[1][tracks.particle]
    x = elements.track_rows(tracks.pt, tracks.eta, tracks.phi, own_outer, true.charge, true.pdg)
    ygen = elements.track_targets(true.pdg, true.pt, true.eta, true.phi, true.energy)
    ycand = elements.charged_candidates(elements.particle_class(true.pdg), true.charge, pt, eta, phi)
    ycand[pt <= 0] = 0.0
    return x, ygen, ycand


def _tower_part(
    towers: Towers, particles: Particles, tracks: Tracks, electromagnetic: bool
) -> tuple[Floats, Floats, Floats]:
    """Rows of X, ygen and ycand for the towers above threshold."""
    trackless = towers.of_particle >= 0
    trackless[tracks.particle] = False
    own, count = particles.select(trackless), len(towers.energy)
    ygen = elements.tower_targets(count, towers.of_particle[trackless], own.momentum, own.pdg, own.charge)
    nothing = np.zeros(count)
    em, had = (towers.energy, nothing) if electromagnetic else (nothing, towers.energy)
    x = elements.tower_rows(towers.energy, towers.eta, towers.phi, em, had)
    kind = PHOTON if electromagnetic else NEUTRAL_HADRON
    ycand = elements.neutral_candidates(kind, towers.eta, towers.phi, towers.excess)
    kept = towers.energy > 0
    return x[kept], ygen[kept], ycand[kept]
