"""Showers: energy is conserved, and their shape is the published one."""

import math
from functools import cache

import h5py
import numpy as np
import pytest

from raise_hpo.errors import UserError
from tests.helpers import shared_data
from trainables.cascade import MATERIALS, Cuts, Slab, Stack, deposits, rotate, score, seed
from trainables.cascade.cross_sections import compton_rate, pair_rate, photo_rate

CALORIMETER = Stack((Slab("W", 0.28), Slab("Si", 0.05, sensitive=True), Slab("Air", 0.18)), layers=25)
AXIS = ((0, 0, 0), (0, 0, 1))


@cache
def showers(material, energy):
    """Depths in X0, radii in Moliere radii and MeV of the deposits of some showers."""
    seed(5)
    hits = np.concatenate([deposits(11, energy, *AXIS, material, Cuts()) for _ in range(int(2e5 / energy))])
    medium = MATERIALS[material]
    radius = np.hypot(hits[:, 0], hits[:, 1]) / medium.moliere_radius
    return hits[:, 2] / medium.radiation_length, radius, hits[:, 3]


def deepest(material, energy):
    """The depth of the maximum, by the moments of the gamma distribution."""
    depth, _, weight = showers(material, energy)
    mean = np.average(depth, weights=weight)
    rate = mean / np.average((depth - mean) ** 2, weights=weight)
    return mean - 1 / rate


@pytest.mark.parametrize(("pdg", "more"), [(11, 0.0), (22, 0.0), (-11, 2 * 0.51099895)])
@pytest.mark.parametrize("material", ["LAr", "W"])
def test_energy_is_conserved(pdg, more, material):
    seed(1)
    hits = deposits(pdg, 500.0, *AXIS, material)
    assert hits[:, 3].sum() == pytest.approx(500 + more, rel=1e-9) and hits[:, 3].min() >= 0


def test_energy_is_conserved_where_the_list_of_deposits_is_copied_away_in_between():
    hits = deposits(11, 5e4, *AXIS)
    assert len(hits) > 65536 and hits[:, 3].sum() == pytest.approx(5e4, rel=1e-9)


def test_energy_is_conserved_in_a_calorimeter_with_what_leaks():
    seed(2)
    found = [score(11, 1e4, *AXIS, CALORIMETER) for _ in range(10)]
    for one in found:
        assert one.deposited + one.leaked == pytest.approx(1e4, rel=2e-3)
        assert 0 < one.cells.sum() < 0.05 * one.deposited


@pytest.mark.parametrize("material", ["LAr", "W"])
def test_the_maximum_goes_deeper_with_the_logarithm_of_the_energy(material):
    # Review of particle physics, "Passage of particles through matter": ln(E/Ec) - 0.5 for electrons.
    critical = MATERIALS[material].critical_energy
    depths = [deepest(material, energy) for energy in (1e3, 1e4)]
    for depth, energy in zip(depths, (1e3, 1e4), strict=True):
        assert depth == pytest.approx(math.log(energy / critical) - 0.5, abs=0.6)
    assert depths[1] - depths[0] == pytest.approx(math.log(10), abs=0.6)


@pytest.mark.parametrize("material", ["LAr", "W"])
def test_nine_tenths_of_the_energy_are_within_about_a_moliere_radius(material):
    _, radius, weight = showers(material, 1e3)
    order = np.argsort(radius)
    contained = np.cumsum(weight[order]) / weight.sum()
    assert radius[order][np.searchsorted(contained, 0.9)] == pytest.approx(1.1, abs=0.2)


def test_photons_get_through_as_often_as_the_cross_sections_say():
    plate, row = Stack((Slab("LAr", 18.0, sensitive=True),), layers=1), MATERIALS["LAr"].row()
    seed(3)
    through = np.mean([score(22, 50.0, *AXIS, plate, cells=1).deposited == 0 for _ in range(2000)])
    expected = math.exp(-18.0 * (pair_rate(50.0, row) + compton_rate(50.0, row) + photo_rate(50.0, row)))
    assert abs(through - expected) < 4 * math.sqrt(expected * (1 - expected) / 2000)


@pytest.mark.parametrize("energy", [10, 50])
def test_agrees_with_showers_made_independently(energy):
    seed(4)
    made = np.array([score(11, energy * 1e3, *AXIS, CALORIMETER, cuts=Cuts(photon=0.1)).cells for _ in range(30)]) / 1e3
    with h5py.File(shared_data(f"showers/fixed_{energy}.h5")) as file:
        other = file["ECAL"][:]
    for figure in (lambda x: x.sum((1, 2, 3)) / energy, lambda x: (x.sum((1, 2)) @ np.arange(25)) / x.sum((1, 2, 3))):
        a, b = figure(made), figure(other)
        assert abs(a.mean() - b.mean()) < 4 * math.hypot(a.std() / len(a) ** 0.5, b.std() / len(b) ** 0.5)
    assert (made > 0).mean() == pytest.approx((other > 0).mean(), rel=0.05)


def test_the_seed_decides():
    def hits(number):
        seed(number)
        return deposits(11, 200.0, *AXIS)

    np.testing.assert_array_equal(hits(7), hits(7))
    assert hits(7).shape != hits(8).shape


def test_a_shower_goes_where_the_particle_goes():
    seed(6)
    hits = deposits(11, 2000.0, (10.0, -20.0, 30.0), (0.0, 3.0, 4.0))
    along = (hits[:, :3] - [10, -20, 30]) @ [0.0, 0.6, 0.8]
    across = np.linalg.norm(np.cross(hits[:, :3] - [10, -20, 30], [0.0, 0.6, 0.8]), axis=1)
    assert np.average(along, weights=hits[:, 3]) > 5 * np.average(across, weights=hits[:, 3])


NEARLY_ALONG = [(0.003, 0.0, 1.0), (-1e-5, 2e-5, 1.0), (0.001, 0.002, -1.0)]


@pytest.mark.parametrize("direction", [(0, 0, 1), (0, 0, -1), (0.6, 0, 0.8), (0.48, -0.64, 0.6), *NEARLY_ALONG])
@pytest.mark.parametrize("angle", [0.0, 0.001, 0.1, 1.5, math.pi])
def test_rotating_keeps_the_length_and_makes_the_angle(direction, angle):
    before = np.array(direction) / np.linalg.norm(direction)
    turned = np.array(rotate(*map(float, before), math.cos(angle), 0.7))
    assert np.linalg.norm(turned) == pytest.approx(1)
    between = math.atan2(np.linalg.norm(np.cross(before, turned)), before @ turned)
    assert between == pytest.approx(angle, abs=1e-7)


def test_deeper_than_the_calorimeter_is_leakage():
    thin = Stack(CALORIMETER.slabs, layers=5)
    seed(9)
    assert thin.depth == pytest.approx(CALORIMETER.depth / 5) and CALORIMETER.depth == pytest.approx(20.1, abs=0.1)
    assert score(11, 2e4, *AXIS, thin).leaked > 1e4


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: deposits(13, 1.0, *AXIS), "PDG code 13; valid: 11, 22, -11"),
        (lambda: deposits(11, math.nan, *AXIS), "the energy is nan MeV"),
        (lambda: deposits(11, 1.0, (0, 0, 0), (0, 0, 0)), "the direction is"),
        (lambda: deposits(11, 1.0, *AXIS, "Lead"), "unknown material 'Lead'"),
        (lambda: Cuts(photon=0.0), "cut 'photon' is 0.0, it should be at least 0.01"),
    ],
)
def test_impossible_input_is_told(call, words):
    with pytest.raises(UserError, match=words):
        call()
