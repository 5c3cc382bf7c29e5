"""Decays and nuclear reactions: kinematics to the bit, spectra and shares as published, nothing made of nothing."""

import itertools
import math

import numpy as np
import pytest

from trainables.lartpc import decays, interactions
from trainables.lartpc.decays import MICHEL_ENDPOINT, decay_at_rest, decayed
from trainables.lartpc.kinematics import boosted, decay_momentum, isotropic, phase_space, turned, two_bodies
from trainables.lartpc.particles import ELECTRON, KAON, MASSES, MUON, NEUTRINO, PHOTON, PI_ZERO, PION, PROTON, Particle
from trainables.lartpc.simulate import follow, simulate

RNG = np.random.default_rng


def at_rest(pdg):
    return Particle(pdg, 0.0, np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 1.0]))


def mass_of(momentum):
    return math.sqrt(max(momentum[0] ** 2 - momentum[1:] @ momentum[1:], 0.0))


def test_directions_are_isotropic():
    rng = RNG(1)
    units = np.array([isotropic(rng) for _ in range(4000)])
    np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(units.mean(0), 0, atol=4 / math.sqrt(3 * 4000))
    np.testing.assert_allclose((units**2).mean(0), 1 / 3, atol=0.02)


def test_turned_directions_have_the_angle():
    rng = RNG(2)
    for cosine in (-1.0, -0.3, 0.99):
        axis = isotropic(rng)
        assert turned(axis, cosine, rng) @ axis == pytest.approx(cosine, abs=1e-9)


def test_a_kaon_at_rest_makes_a_muon_of_152_5_mev():
    momentum = decay_momentum(MASSES[KAON], MASSES[MUON], 0.0)
    assert momentum == pytest.approx(235.5, abs=0.1)
    made = [decayed(at_rest(KAON), RNG(seed)) for seed in range(400)]
    alone = [particles[0] for particles in made if [p.pdg for p in particles] == [-MUON]]
    assert all(muon.kinetic == pytest.approx(152.5, abs=0.1) for muon in alone)
    assert len(alone) / 400 == pytest.approx(0.6356, abs=4 * math.sqrt(0.64 * 0.36 / 400))


def test_a_pion_at_rest_makes_a_muon_of_4_1_mev():
    (muon,) = decayed(at_rest(PION), RNG(1))
    assert (muon.pdg, muon.kinetic) == (-MUON, pytest.approx(4.12, abs=0.01))
    np.testing.assert_array_equal(muon.position, [1, 2, 3])
    assert decayed(at_rest(-PION), RNG(1))[0].pdg == MUON


def test_michel_electrons_have_their_spectrum():
    rng = RNG(3)
    energies = np.array([decay_at_rest(-MUON, rng)[0][1][0] for _ in range(8000)])
    assert pytest.approx(52.83, abs=0.01) == MICHEL_ENDPOINT
    assert 52.0 < energies.max() <= MICHEL_ENDPOINT
    assert energies.mean() / MICHEL_ENDPOINT == pytest.approx(0.7, abs=0.01)  # the mean of 2 x² (3 - 2x)
    assert (energies / MICHEL_ENDPOINT < 0.5).mean() == pytest.approx(0.1875, abs=0.02)  # 2 x³ - x⁴ at one half
    assert decay_at_rest(-MUON, rng)[0][0] == -ELECTRON and decay_at_rest(MUON, rng)[0][0] == ELECTRON


@pytest.mark.parametrize("pdg", [PION, -PION, KAON, -KAON, PI_ZERO])
def test_decays_conserve_energy_momentum_and_charge(pdg):
    charges = {11: -1, 13: -1, 211: 1, 321: 1, 12: 0, 22: 0, 111: 0}
    rng = RNG(4)
    for _ in range(200):
        made = decay_at_rest(pdg, rng)
        total = np.sum([momentum for _, momentum in made], axis=0)
        np.testing.assert_allclose(total, [MASSES[abs(pdg)], 0, 0, 0], atol=1e-6)
        assert all(mass_of(p) == pytest.approx(MASSES[abs(code)], abs=1e-3) for code, p in made)
        charge = sum(
            math.copysign(charges[abs(code)], charges[abs(code)] * code) for code, _ in made if charges[abs(code)]
        )
        assert charge == (0 if pdg == PI_ZERO else math.copysign(1, pdg))


def test_three_bodies_share_evenly():
    """Of three equal masses none is preferred, though they are drawn as a pair and a third."""
    rng = RNG(5)
    mass = MASSES[PION]
    energies = np.array([phase_space(MASSES[KAON], [mass] * 3, rng)[:, 0] for _ in range(4000)])
    np.testing.assert_allclose(energies.mean(0), MASSES[KAON] / 3, rtol=0.005)
    np.testing.assert_allclose(energies.std(0), energies.std(), rtol=0.05)


def test_boosts_keep_masses_and_can_be_undone():
    rng = RNG(6)
    momenta = two_bodies(500.0, 100.0, 200.0, rng)
    frame = np.array([900.0, 300.0, -200.0, 400.0])
    seen = boosted(momenta, frame)
    assert [mass_of(p) for p in seen] == pytest.approx([100.0, 200.0])
    np.testing.assert_allclose(seen.sum(0), frame * 500.0 / mass_of(frame))
    np.testing.assert_allclose(boosted(seen, frame * [1, -1, -1, -1]), momenta, atol=1e-9)


def test_photons_of_a_fast_neutral_pion_go_forward_and_have_its_mass():
    pion = Particle(PI_ZERO, 500.0, np.zeros(3), np.array([0.6, 0.0, 0.8]))
    first, second = decayed(pion, RNG(7))
    assert first.pdg == second.pdg == PHOTON
    cosine = first.direction @ second.direction
    assert math.sqrt(2 * first.kinetic * second.kinetic * (1 - cosine)) == pytest.approx(MASSES[PI_ZERO])
    assert first.kinetic + second.kinetic == pytest.approx(500.0 + MASSES[PI_ZERO])


def test_shares_of_the_kaon_modes_add_up():
    assert sum(share for share, _ in decays._KAON_MODES) == pytest.approx(1.0, abs=0.001)


def test_argon_captures_three_quarters_of_negative_muons():
    rng = RNG(8)
    electrons = sum(any(abs(p.pdg) == ELECTRON for p in interactions.captured(at_rest(MUON), rng)) for _ in range(2000))
    assert electrons / 2000 == pytest.approx(1 - interactions.MUON_CAPTURE, abs=0.04)


@pytest.mark.parametrize(("pdg", "kinetic"), list(itertools.product([PION, -PION, KAON, -KAON], [20.0, 300.0])))
def test_reactions_make_no_energy(pdg, kinetic):
    rng = RNG(9)
    particle = at_rest(pdg)._replace(kinetic=kinetic)
    before = kinetic + MASSES[abs(pdg)]
    for _ in range(300):
        assert _energy(interactions.interacted(particle, rng)) <= before + 1e-9
        if pdg < 0:
            assert _energy(interactions.captured(at_rest(pdg), rng)) <= MASSES[abs(pdg)] + 1e-9


def _energy(particles):
    """Kinetic energies, with the masses of those that are made and not knocked out."""
    return sum(p.kinetic + (0.0 if p.pdg == PROTON else MASSES[abs(p.pdg)]) for p in particles)


@pytest.mark.parametrize("pdg", [PHOTON, ELECTRON, MUON, -MUON, PION, -PION, KAON, -KAON])
def test_what_is_seen_is_at_most_what_was_there(pdg):
    rng, mass = RNG(10), MASSES[abs(pdg)]
    most = math.hypot(300.0, mass)
    seen = np.array([simulate(pdg, 300.0, rng)[:, 3].sum() for _ in range(25)])
    if pdg in (PHOTON, ELECTRON):
        np.testing.assert_allclose(seen, most - mass, rtol=1e-6)
    # A positron's annihilation brings in the mass of an electron of the argon.
    assert seen.max() <= most + 3 * 2 * MASSES[ELECTRON]
    assert seen.min() > 0


def test_a_stopping_antimuon_shows_its_positron():
    rng = RNG(11)
    seen = np.array([follow(at_rest(-MUON)._replace(kinetic=30.0), rng)[:, 3].sum() for _ in range(150)])
    positrons = seen - 30.0
    assert positrons.max() <= MICHEL_ENDPOINT + MASSES[ELECTRON] + 1e-6
    assert positrons.mean() == pytest.approx(0.7 * MICHEL_ENDPOINT, rel=0.1)


def test_neutrinos_are_not_followed():
    assert all(p.pdg != NEUTRINO for seed in range(50) for p in decayed(at_rest(KAON), RNG(seed)))
