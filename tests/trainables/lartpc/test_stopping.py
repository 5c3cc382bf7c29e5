"""Energy loss in liquid argon: against published tables, and the simulation against its own formulae."""

import math

import numpy as np
import pytest

from trainables.cascade.materials import ELECTRON_MASS
from trainables.lartpc import particles, stopping
from trainables.lartpc.particles import DECAY_LENGTHS, INTERACTION_LENGTHS, KAON, MASSES, MUON, PION, PROTON, Particle
from trainables.lartpc.tracks import DECAYED, STOPPED, csda_range, walk

MUON_RANGES = {20: 3.321, 30: 6.598, 40: 10.58, 80: 30.84, 100: 42.50, 140: 67.32, 200: 106.3, 300: 172.5, 400: 238.5}
"""MeV to g/cm² in liquid argon: Groom, Mokhov, Striganov, At. Data Nucl. Data Tables 78, 183 (2001)."""
MUON_RANGES |= {800: 493.4, 1000: 616.3}
DENSITY = 1.396


def along_z(pdg, kinetic):
    return Particle(pdg, float(kinetic), np.zeros(3), np.array([0.0, 0.0, 1.0]))


def lengths(track):
    return np.linalg.norm(np.diff(track.deposits[:, :3], axis=0, prepend=np.zeros((1, 3))), axis=1)


@pytest.mark.parametrize(("kinetic", "published"), MUON_RANGES.items())
def test_muon_ranges_are_the_published_ones(kinetic, published):
    assert csda_range(kinetic, MASSES[MUON]) * DENSITY == pytest.approx(published, rel=0.005)


def test_least_loss_is_the_published_one():
    energies = np.geomspace(20, 5000, 400)
    losses = np.array([stopping.stopping_power(energy, MASSES[MUON], 1e9) for energy in energies])
    assert losses.min() / DENSITY == pytest.approx(1.508, rel=0.005)  # MeV cm²/g, PDG
    momentum = math.sqrt(energies[losses.argmin()] * (energies[losses.argmin()] + 2 * MASSES[MUON]))
    assert 2.5 < momentum / MASSES[MUON] < 4.0


def test_loss_depends_on_the_velocity_alone_but_for_the_largest_transfer():
    one, other = (stopping.stopping_power(3.0 * MASSES[kind], MASSES[kind], 1.0) for kind in (MUON, PROTON))
    assert one == pytest.approx(other, rel=0.02)


@pytest.mark.parametrize("cut", [0.05, 0.5, 5.0])
def test_collisions_above_a_cut_carry_what_is_missing_below(cut):
    kinetic, mass = 400.0, MASSES[MUON]
    rng = np.random.default_rng(1)
    rate = stopping.knock_on_rate(kinetic, mass, cut)
    mean = np.mean([stopping.knock_on_energy(rng, kinetic, mass, cut) for _ in range(40_000)])
    above = stopping.stopping_power(kinetic, mass, 1e9) - stopping.stopping_power(kinetic, mass, cut)
    assert rate * mean == pytest.approx(above, rel=0.03)


@pytest.mark.parametrize("pdg", [-MUON, PROTON])
def test_mean_range_of_tracks_is_that_of_the_mean_loss(pdg, monkeypatch):
    rng = np.random.default_rng(2)
    tracks = [walk(along_z(pdg, 150.0), rng) for _ in range(300)]
    found = np.array([lengths(track).sum() for track in tracks if track.fate == STOPPED])
    expected = csda_range(150.0, MASSES[abs(pdg)])
    assert found.mean() == pytest.approx(expected, rel=0.012)
    assert 0.005 < found.std() / expected < 0.08


@pytest.mark.parametrize("pdg", [-MUON, PION, KAON, PROTON])
def test_no_energy_is_lost_or_made(pdg):
    rng = np.random.default_rng(3)
    for _ in range(40):
        track = walk(along_z(pdg, 300.0), rng)
        given = track.deposits[:, 3].sum() + sum(electron.kinetic for electron in track.electrons)
        assert given + track.end.kinetic == pytest.approx(300.0, rel=1e-9)
        assert (track.deposits[:, 3] > 0).all()


def test_a_wire_of_a_muon_most_often_sees_the_loss_of_landau():
    """The peak in 3 mm is ``xi (ln(2 m beta² gamma² / I) + ln(xi / I) + 0.2 - beta² - delta)`` (PDG review)."""
    kinetic, mass, rng = 300.0, MASSES[MUON], np.random.default_rng(4)
    losses = []
    for _ in range(4000):
        track = walk(along_z(-MUON, kinetic), rng)
        losses += track.deposits[:8, 3].tolist()
    counts, edges = np.histogram(losses, 50, (0.3, 0.8))
    top = slice(counts.argmax() - 6, counts.argmax() + 7)
    curve = np.polyfit(0.5 * (edges[1:] + edges[:-1])[top], counts[top], 2)
    gamma = 1 + kinetic / mass
    beta2 = 1 - gamma**-2
    xi, excitation = stopping.RUTHERFORD * 0.3 / beta2, stopping.ARGON.excitation * 1e-6
    logarithms = math.log(2 * ELECTRON_MASS * beta2 * gamma**2 / excitation) + math.log(xi / excitation)
    peak = xi * (logarithms + 0.2 - beta2 - stopping.density_effect(kinetic, mass))
    assert -curve[1] / (2 * curve[0]) == pytest.approx(peak, rel=0.03)


@pytest.mark.parametrize(("pdg", "scale", "power"), [(PROTON, 17.0, -0.42), (KAON, 14.0, -0.41), (PION, 8.0, -0.37)])
@pytest.mark.parametrize("residual", [3.0, 8.0, 20.0])
def test_loss_rises_to_the_end_as_residual_ranges_have_it(pdg, scale, power, residual):
    """``dE/dx = A R^b`` near the end: ArgoNeuT, R. Acciarri et al., JINST 8, P08005 (2013)."""
    mass = MASSES[pdg]
    low, high = 1.0, 1000.0
    while high - low > 0.01:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if csda_range(middle, mass, 400) < residual else (low, middle)
    assert stopping.stopping_power(low, mass, 1e9) == pytest.approx(scale * residual**power, rel=0.08)


def test_stopping_tracks_end_in_a_bragg_peak():
    rng = np.random.default_rng(5)
    last, first = [], []
    for _ in range(60):
        track = walk(along_z(-MUON, 200.0), rng)
        left = lengths(track)[::-1].cumsum()[::-1]
        last.append(track.deposits[left < 0.5, 3].sum() / 0.5)
        first.append(track.deposits[:30, 3].sum() / lengths(track)[:30].sum())
    assert np.mean(last) > 3.5 * np.mean(first)
    assert np.mean(first) == pytest.approx(2.2, abs=0.2)


def test_a_radiation_length_scatters_as_highland_has_it():
    kinetic, rng = 1000.0, np.random.default_rng(6)
    momentum = math.sqrt(kinetic * (kinetic + 2 * MASSES[MUON]))
    angles = []
    for _ in range(500):
        track = walk(along_z(-MUON, kinetic)._replace(direction=np.array([1.0, 0.0, 0.0])), rng)
        step = np.diff(track.deposits[46:48, :3], axis=0)[0]  # mid-points of steps of 0.3 cm about 14 cm
        angles += [step[1] / step[0], step[2] / step[0]]
    expected = 13.6 * (kinetic + MASSES[MUON]) / momentum**2
    assert np.std(angles) == pytest.approx(expected, rel=0.08)
    assert abs(np.mean(angles)) < 4 * expected / math.sqrt(1000)


def test_pions_decay_in_flight_as_often_as_their_lifetime_says(monkeypatch):
    monkeypatch.setitem(INTERACTION_LENGTHS, PION, math.inf)
    mass, rng = MASSES[PION], np.random.default_rng(7)
    energies = np.linspace(1.0, 200.0, 4000)
    flight = [1 / stopping.stopping_power(t, mass, 1e9) / math.sqrt(t * (t + 2 * mass)) for t in energies]
    expected = -math.expm1(-np.trapezoid(flight, energies) * mass / DECAY_LENGTHS[PION])
    found = np.mean([walk(along_z(PION, 200.0), rng).fate == DECAYED for _ in range(2500)])
    assert found == pytest.approx(expected, abs=4 * math.sqrt(expected / 2500))


def test_kinetic_energies_and_charges():
    assert particles.kinetic_energy(PROTON, 0.0) == 0.0
    assert particles.kinetic_energy(MUON, 235.53) == pytest.approx(152.5, abs=0.05)
    assert [pdg for pdg in (13, -13, 211, -211, 321, -321, 11, -11, 2212) if particles.is_positive(pdg)] == [
        *(-13, 211, 321, -11, 2212)
    ]
