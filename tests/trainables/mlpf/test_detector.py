"""The parametric detector against the card's numbers and against independent calculations.

Tolerances follow from the number of particles: four standard deviations unless said otherwise. The card's numbers are
written out again here, so that a slip in the product's table is seen.
"""

from dataclasses import replace

import numpy as np
import pytest

from trainables.mlpf import detector_card as card
from trainables.mlpf.detector import lognormal, measure_towers, measure_tracks, simulate
from trainables.mlpf.helix import propagate
from trainables.mlpf.particles import Particles, joined

MASS = {11: 0.000511, 13: 0.10566, 211: 0.13957, 22: 0.0, 130: 0.49761, 310: 0.49761}
CHARGE = {11: -1.0, 13: -1.0, 211: 1.0}


def gun(pdg, pt, eta, phi=0.0, vertex=(0.0, 0.0, 0.0)):
    pt, eta, phi = (np.asarray(v, dtype=float) for v in np.broadcast_arrays(pt, eta, phi))
    pt, eta, phi = np.atleast_1d(pt), np.atleast_1d(eta), np.atleast_1d(phi)
    energy = np.sqrt((pt * np.cosh(eta)) ** 2 + MASS[abs(pdg)] ** 2)
    momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy], axis=1)
    charge = np.sign(pdg) * CHARGE.get(abs(pdg), 0.0)
    start = np.broadcast_to(np.asarray(vertex, dtype=float), (len(pt), 3)).copy()
    return Particles(momentum, start, np.full(len(pt), pdg), np.full(len(pt), charge))


def outer(particles):
    x, y, z = propagate(particles).T
    return np.arcsinh(z / np.hypot(x, y)), np.arctan2(y, x)


def stepwise_exit(particles, step=2e-3):
    """Integrate the Lorentz force with Runge-Kutta steps of 2 mm until a particle leaves the cylinder."""
    position, momentum = particles.vertex.copy(), particles.momentum[:, :3].copy()
    charge, exits = particles.charge[:, None], np.full((len(particles), 3), np.nan)
    field = np.array([0.0, 0.0, 3.8])

    def slope(p):
        direction = p / np.linalg.norm(p, axis=1, keepdims=True)
        return direction, 0.299792458 * charge * np.cross(direction, field)

    for _ in range(20_000):
        v1, f1 = slope(momentum)
        v2, f2 = slope(momentum + 0.5 * step * f1)
        v3, f3 = slope(momentum + 0.5 * step * f2)
        v4, f4 = slope(momentum + step * f3)
        after = position + step / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
        momentum = momentum + step / 6 * (f1 + 2 * f2 + 2 * f3 + f4)
        new = np.isnan(exits[:, 0]) & ((np.hypot(after[:, 0], after[:, 1]) > 1.29) | (np.abs(after[:, 2]) > 3.0))
        for i in np.flatnonzero(new):
            exits[i] = _crossing(position[i], after[i])
        position = after
        if not np.isnan(exits).any():
            return exits
    raise AssertionError("a particle never left")


def _crossing(inside, outside):
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        x, y, z = inside + middle * (outside - inside)
        low, high = (low, middle) if np.hypot(x, y) > 1.29 or abs(z) > 3.0 else (middle, high)
    return inside + low * (outside - inside)


def test_helix_agrees_with_step_by_step_lorentz_force():
    rng = np.random.default_rng(5)
    n = 120
    pt = 10 ** rng.uniform(-0.8, 1.5, n)
    vertex = np.stack([0.01 * rng.standard_normal(n), 0.01 * rng.standard_normal(n), 0.06 * rng.standard_normal(n)], 1)
    sign = rng.choice([-1, 1], n) * rng.uniform(0.6, 2.6, n)
    parts = [
        gun(pdg, pt[i], sign[i], rng.uniform(-np.pi, np.pi), vertex[i])
        for i, pdg in enumerate(rng.choice([211, -211, 22], n))
    ]
    particles = joined(parts)
    points, expected = propagate(particles), stepwise_exit(particles)
    assert 10 < (np.abs(expected[:, 2]) > 2.99).sum() < n - 10  # both side and end caps are met
    np.testing.assert_allclose(points, expected, atol=1e-4)


def test_neutral_particles_fly_straight():
    points = propagate(gun(22, [5.0, 5.0], [0.3, -2.5], [1.0, -2.0]))
    np.testing.assert_allclose(np.arctan2(points[:, 1], points[:, 0]), [1.0, -2.0], atol=1e-12)
    np.testing.assert_allclose(points[:, 2], [1.29 * np.sinh(0.3), -3.0], rtol=1e-12)


def test_stiff_track_has_the_textbook_sagitta():
    eta, phi = outer(gun(211, 1000.0, 0.0))
    np.testing.assert_allclose(phi, -0.3 * 3.8 * 1.29 / 2 / 1000, rtol=1e-3)
    np.testing.assert_allclose(eta, 0.0, atol=1e-12)


@pytest.mark.parametrize(
    ("pdg", "pt", "eta", "expected"),
    [
        (211, 0.9, 0.4, 0.70),
        (211, 20.0, 1.2, 0.95),
        (-211, 20.0, 2.0, 0.85),
        (211, 0.9, -1.6, 0.60),
        (11, 50.0, 1.0, 0.95),
        (11, 200.0, 1.0, 0.99),
        (-11, 50.0, 2.2, 0.83),
        (11, 150.0, 2.2, 0.90),
        (13, 0.9, 0.2, 0.75),
        (13, 50.0, 1.0, 0.99),
        (13, 50.0, 2.2, 0.98),
        (13, 1400.0, 1.0, 0.99 * np.exp(-0.2)),
        (211, 20.0, 2.7, 0.0),
        (211, 0.09, 2.0, 0.0),
        (22, 20.0, 0.5, 0.0),
    ],
)
def test_tracking_efficiency_is_the_cards(pdg, pt, eta, expected):
    n = 20_000
    particles = gun(pdg, np.full(n, pt), eta)
    found = len(measure_tracks(particles, outer(particles)[0], np.random.default_rng(1)).particle) / n
    assert abs(found - expected) <= 4 * np.sqrt(expected * (1 - expected) / n)


def test_curling_particle_that_leaves_near_the_beam_makes_no_track():
    particles = gun(211, np.full(2000, 0.3), 0.3, np.linspace(-3, 3, 2000))
    eta_outer, _ = outer(particles)
    assert (np.abs(eta_outer) > 2.5).all()
    assert len(measure_tracks(particles, eta_outer, np.random.default_rng(1)).particle) == 0


@pytest.mark.parametrize(
    ("pdg", "pt", "eta", "constant", "slope"),
    [
        (211, 20.0, 0.2, 0.06, 1.3e-3),
        (211, 20.0, 1.0, 0.10, 1.7e-3),
        (211, 20.0, 2.0, 0.25, 3.1e-3),
        (11, 40.0, 0.2, 0.03, 1.3e-3),
        (13, 100.0, 2.0, 0.025, 3.5e-4),
    ],
)
def test_track_response_is_one_and_its_width_the_cards(pdg, pt, eta, constant, slope):
    n = 20_000
    particles = gun(pdg, np.full(n, pt), eta, np.random.default_rng(0).uniform(-np.pi, np.pi, n))
    tracks = measure_tracks(particles, outer(particles)[0], np.random.default_rng(2))
    response, m = tracks.pt / pt, len(tracks.pt)
    width = np.hypot(constant, pt * slope)
    assert abs(response.mean() - 1) < 4 * width / np.sqrt(m)
    assert response.std() == pytest.approx(width, rel=0.05)
    assert (tracks.eta - eta).std() == pytest.approx(0.01, rel=0.03)
    phi_shift = (tracks.phi - particles.phi[tracks.particle] + np.pi) % (2 * np.pi) - np.pi
    assert phi_shift.std() == pytest.approx(0.01, rel=0.03)


def test_lognormal_has_the_asked_mean_and_deviation():
    drawn = lognormal(np.full(200_000, 3.0), np.full(200_000, 1.5), np.random.default_rng(3))
    assert drawn.mean() == pytest.approx(3.0, abs=4 * 1.5 / np.sqrt(200_000))
    assert drawn.std() == pytest.approx(1.5, rel=0.03)
    assert (lognormal(np.zeros(3), np.ones(3), np.random.default_rng(3)) == 0).all()


def lone_photons(energy):
    """One photon in every other tower of the ECAL barrel."""
    eta = 0.0174 * (np.arange(-80, 80, 2) + 0.5)
    phi = np.deg2rad(np.arange(-180, 180, 2) + 0.5)
    eta, phi = (grid.ravel() for grid in np.meshgrid(eta, phi))
    return gun(22, energy / np.cosh(eta), eta, phi)


def test_photon_response_is_one_and_its_width_the_cards():
    x, ygen, _ = _arrays(simulate(lone_photons(50.0), np.random.default_rng(4)))
    assert len(x) == 80 * 180
    assert (x[:, 0] == 1).all() and (x[:, 7] == 0).all()
    sigma = (1 + 0.64 * ygen[:, 3] ** 2) * np.sqrt((50 * 0.008) ** 2 + 50 * 0.11**2 + 0.4**2)
    pull = (x[:, 5] - 50.0) / sigma
    assert abs(pull.mean()) < 4 / np.sqrt(len(pull))
    assert pull.std() == pytest.approx(1.0, rel=0.03)
    np.testing.assert_allclose(ygen[:, 6], 50.0, rtol=1e-5)
    assert (np.abs(x[:, 2] - ygen[:, 3]) <= 0.0087 + 1e-5).all()


def test_towers_below_threshold_are_left_out():
    ecal, _, _ = _arrays(simulate(lone_photons(1.0), np.random.default_rng(4)))
    hadrons = gun(130, np.full(50, 4.0), 0.0435, np.deg2rad(np.arange(50) * 5.0 + 2.5))
    hcal, _, _ = _arrays(simulate(hadrons, np.random.default_rng(4)))
    assert 0 < len(ecal) < 80 * 180 and 0 < len(hcal) < 50
    assert ecal[:, 5].min() >= 0.5
    assert (hcal[:, 5] >= 2 * np.sqrt((0.05 * hcal[:, 5]) ** 2 + 1.5**2 * hcal[:, 5]) - 1e-3).all()


def perfect(calorimeter):
    return replace(calorimeter, sigma=lambda eta, energy: 0 * energy, energy_min=0.0)


def test_deposited_energy_is_conserved():
    rng = np.random.default_rng(6)
    particles = joined([gun(pdg, rng.uniform(1, 50, 300), rng.uniform(-4, 4, 300), rng.uniform(-3, 3, 300))
                        for pdg in (22, 211, 130, 310, 13, 11)])  # fmt: skip
    where = outer(particles)
    tracks = measure_tracks(particles, where[0], rng)
    ecal = measure_towers(perfect(card.ECAL), particles, where, tracks, rng)
    hcal = measure_towers(perfect(card.HCAL), particles, where, tracks, rng)
    share = {22: (1, 0), 211: (0, 1), 130: (0, 1), 310: (0.3, 0.7), 13: (0, 0), 11: (1, 0)}
    for column, towers in enumerate((ecal, hcal)):
        expected = sum(share[pdg][column] * particles.energy[particles.pdg == pdg].sum() for pdg in share)
        assert towers.energy.sum() == pytest.approx(expected, rel=1e-9)
        at = towers.of_particle >= 0
        own = np.array([share[pdg][column] for pdg in particles.pdg]) * particles.energy
        each = np.zeros(len(towers.energy))
        np.add.at(each, towers.of_particle[at], own[at])
        np.testing.assert_allclose(towers.energy, each, rtol=1e-9)


def _arrays(event):
    assert event.x.dtype == np.float32
    assert event.x.shape[1:] == (12,) and event.ygen.shape == event.ycand.shape == (len(event.x), 7)
    return event.x.astype(float), event.ygen.astype(float), event.ycand.astype(float)


def found_event(particles):
    """Simulate until every charged particle has left its track."""
    wanted = np.count_nonzero(particles.charge)
    for seed in range(200):
        x, ygen, ycand = _arrays(simulate(particles, np.random.default_rng(seed)))
        if (x[:, 0] == 2).sum() == wanted:
            return x, ygen, ycand
    raise AssertionError("the track was never found")


def test_significant_surplus_becomes_a_neutral_candidate():
    particles = joined([gun(211, 10.0, 0.5, 1.0), gun(130, 200.0, 0.5, outer(gun(211, 10.0, 0.5, 1.0))[1])])
    x, ygen, ycand = found_event(particles)
    (track, tower), (charged, neutral) = x, ycand
    assert (ygen[:, 0] == [1, 2]).all()
    assert ygen[1, 6] == pytest.approx(particles.energy[1], rel=1e-6)
    assert charged[0] == 1 and charged[2] == pytest.approx(track[1]) and charged[6] == 0
    assert neutral[0] == 2 and neutral[2] == 0 and neutral[1] == 0
    assert neutral[6] == pytest.approx(tower[5] - track[5], rel=1e-5)
    np.testing.assert_allclose(neutral[3:6], tower[2:5], rtol=1e-6)


def test_surplus_counts_from_two_standard_deviations():
    pion = gun(211, 10.0, 0.45, 1.0)
    particles, seen = joined([pion, gun(130, 12.0, 0.45, outer(pion)[1])]), set()
    for seed in range(300):
        x, _, ycand = _arrays(simulate(particles, np.random.default_rng(seed)))
        if x[:, 0].tolist() != [2, 1]:
            continue
        (track, tower), surplus = x, x[1, 5] - x[0, 5]
        variance = (track[5] * np.hypot(0.06, 10 * 1.3e-3)) ** 2 + (0.05 * tower[5]) ** 2 + 1.5**2 * tower[5]
        significant = bool(surplus > max(1.0, 2 * np.sqrt(variance)))
        assert (ycand[1, 6] > 0) == significant
        seen.add((significant, bool(surplus > 1.0)))
    assert seen == {(True, True), (False, True), (False, False)}


def test_without_surplus_the_track_is_scaled_to_the_weighted_mean():
    x, ygen, ycand = found_event(gun(211, 60.0, 0.45, 0.3))
    track, tower = x
    assert ygen[0, 0] == 1 and (ygen[1] == 0).all()  # the tower's only particle left a track
    assert (ycand[1] == 0).all()
    track_sigma = track[5] * np.hypot(0.06, 60.0 * 1.3e-3)
    tower_sigma = np.sqrt((0.05 * tower[5]) ** 2 + 1.5**2 * tower[5])
    weights = np.array([track_sigma**-2, tower_sigma**-2])
    mean = (weights * [track[5], tower[5]]).sum() / weights.sum()
    assert ycand[0, 2] == pytest.approx(track[1] * mean / track[5], rel=1e-5)
    np.testing.assert_allclose(ycand[0, 3:6], track[2:5], rtol=1e-6)


def test_muon_leaves_a_track_only_and_its_candidate_keeps_the_true_direction():
    x, ygen, ycand = found_event(gun(-13, 30.0, 1.0, 0.5))
    assert x.shape == (1, 12)
    assert x[0, 9:].tolist() == [1.0, 1.0, 0.0]
    assert ygen[0, :2].tolist() == [5.0, -1.0]  # the sign of the PDG code, as in the public files
    assert ycand[0, 2] == pytest.approx(x[0, 1])
    np.testing.assert_allclose(ycand[0, 3:6], ygen[0, 3:6], rtol=1e-6)
    assert x[0, 2] != pytest.approx(1.0, abs=1e-6)


def test_tracks_come_first_hadrons_then_electrons_then_muons():
    mixed = joined([gun(13, 20.0, 0.1, 1.0), gun(11, 20.0, 0.2, 2.0), gun(211, 20.0, 0.3, 3.0), gun(22, 20.0, 0.4)])
    x, ygen, _ = found_event(mixed)
    assert ygen[:3, 0].tolist() == [1, 4, 5]
    assert (np.diff(x[:, 0]) <= 0).all()


def test_tower_target_is_the_sum_of_its_trackless_particles():
    pair = gun(22, [30.0, 10.0], [0.3045, 0.3055], [0.1, 0.101])  # one ECAL tower
    x, ygen, _ = _arrays(simulate(pair, np.random.default_rng(1)))
    assert len(x) == 1
    total = pair.momentum.sum(axis=0)
    assert ygen[0, 0] == 3 and ygen[0, 1] == 0
    assert ygen[0, 2] == pytest.approx(np.hypot(total[0], total[1]), rel=1e-6)
    assert ygen[0, 6] == pytest.approx(total[3], rel=1e-6)


@pytest.mark.parametrize(
    ("pdg", "pt", "eta", "expected"),
    [(130, 60.0, 0.5, 2), (211, 60.0, 3.2, 2), (130, 2.0, 1.9, 0), (2112, 60.0, 0.5, 2), (3112, 40.0, 3.0, 2)],
)
def test_class_of_tower_targets(pdg, pt, eta, expected):
    MASS.setdefault(abs(pdg), 1.0)
    CHARGE.setdefault(3112, -1.0)
    energy = pt * np.cosh(eta)
    assert expected or energy < 9.0
    for seed in range(100):
        x, ygen, _ = _arrays(simulate(gun(pdg, pt, eta, 0.7), np.random.default_rng(seed)))
        if len(x) and x[0, 0] == 1:
            assert ygen[0, 0] == expected
            return
    raise AssertionError("no tower was ever seen")


def test_lost_central_track_makes_its_tower_a_charged_hadron():
    kinds = set()
    for seed in range(200):
        x, ygen, _ = _arrays(simulate(gun(211, 50.0, 0.5), np.random.default_rng(seed)))
        if len(x) == 1 and x[0, 0] == 1:
            kinds.add((ygen[0, 0], ygen[0, 1]))
    assert kinds == {(1.0, 1.0)}


def test_grids_are_the_cards():
    ecal, hcal = card.ECAL.grid, card.HCAL.grid
    assert len(ecal.eta_edges) == 363 and len(hcal.eta_edges) == 81
    assert (ecal.eta_edges[0], ecal.eta_edges[-1], hcal.eta_edges[0], hcal.eta_edges[-1]) == (-5, 5, -5, 5)
    at = np.array([0.01, 2.0, 2.97, 4.9, -2.95, -4.9])
    assert ecal.phi_bins[np.searchsorted(ecal.eta_edges, at)].tolist() == [360, 360, 36, 36, 360, 36]
    at = np.array([0.01, 1.62, 1.7, 4.4, 4.6, -1.6, -1.7, -4.6])
    assert hcal.phi_bins[np.searchsorted(hcal.eta_edges, at)].tolist() == [72, 72, 36, 36, 18, 72, 36, 18]


def test_towers_contain_the_points_they_are_named_for():
    rng = np.random.default_rng(8)
    eta, phi = rng.uniform(-5.5, 5.5, 5000), rng.uniform(-np.pi, np.pi, 5000)
    for grid in (card.ECAL.grid, card.HCAL.grid):
        tower = grid.locate(eta, phi)
        inside = tower >= 0
        np.testing.assert_array_equal(inside, np.abs(eta) <= 5)
        low, high, left, right = grid.edges(tower[inside])
        assert ((low < eta[inside]) & (eta[inside] <= high) & (left <= phi[inside]) & (phi[inside] <= right)).all()
