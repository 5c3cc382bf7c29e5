"""Cross sections and materials against published figures."""

import math

import pytest

from raise_hpo.errors import UserError
from trainables.cascade.cross_sections import collision_loss, compton_rate, pair_rate, photo_rate, radiation_rate
from trainables.cascade.materials import MATERIALS, material

W, LAR = MATERIALS["W"], MATERIALS["LAr"]


@pytest.mark.parametrize(
    ("name", "plasma_energy", "moliere_radius"),
    [("W", 80.32, 0.9327), ("Si", 31.05, 4.944), ("LAr", 22.85, 9.043), ("Cu", 58.27, 1.568)],
)
def test_derived_constants_are_those_of_the_particle_data_group(name, plasma_energy, moliere_radius):
    assert material(name).plasma_energy == pytest.approx(plasma_energy, rel=2e-3)
    assert material(name).moliere_radius == pytest.approx(moliere_radius, rel=2e-3)


@pytest.mark.parametrize("name", ["W", "Si", "LAr", "Cu"])
def test_photons_of_high_energy_make_pairs_after_nine_sevenths_of_a_radiation_length(name):
    medium = MATERIALS[name]
    assert 1 / pair_rate(5e4, medium.row()) == pytest.approx(9 / 7 * medium.radiation_length, rel=0.04)


def test_no_pairs_below_twice_the_electron_mass():
    assert pair_rate(1.0219, W.row()) == 0 and pair_rate(1.03, W.row()) > 0


@pytest.mark.parametrize(
    ("name", "energy", "cm2_per_g"),
    [
        *(("W", 0.1, 4.153), ("W", 0.2, 0.6398), ("W", 0.8, 0.02043)),
        *(("Si", 0.2, 2.736e-3), ("Si", 0.8, 5.856e-5), ("LAr", 0.1, 0.05564), ("LAr", 0.2, 6.281e-3)),
        *(("LAr", 0.8, 1.381e-4), ("Cu", 0.2, 0.03488), ("Cu", 0.8, 8.268e-4)),
    ],
)
def test_photo_effect_is_that_of_the_tables(name, energy, cm2_per_g):
    medium = MATERIALS[name]
    assert photo_rate(energy, medium.row()) / medium.density == pytest.approx(cm2_per_g, rel=0.2)


def test_compton_scattering_has_its_classical_limit_and_falls():
    thomson = 8 / 3 * math.pi * (2.8179403e-13) ** 2 * 6.02214076e23 * LAR.z_over_a * LAR.density
    assert compton_rate(1e-3, LAR.row()) == pytest.approx(thomson, rel=0.005)
    assert compton_rate(10.0, LAR.row()) < 0.1 * thomson


def test_a_minimum_ionising_electron_loses_about_two_mev_a_cm_in_argon():
    losses = [collision_loss(energy, LAR.row()) for energy in (0.05, 0.5, 1.5, 10.0, 1000.0)]
    assert min(losses) == losses[2] and losses[2] == pytest.approx(1.91, rel=0.03)
    assert losses[3] < losses[4] < 1.5 * losses[2]


def test_radiation_takes_all_energy_in_about_a_radiation_length():
    # Energy radiated above a cut: the integral of k dN/dk, from rates at neighbouring cuts.
    energy, cuts = 1e4, [10.0 * 1.01**i for i in range(700)]
    rates = [radiation_rate(energy, cut, W.row()) for cut in cuts]
    lost = sum((a - b) * c * 1.005 for a, b, c in zip(rates, rates[1:], cuts, strict=False))
    assert lost / energy * W.radiation_length == pytest.approx(1.0, rel=0.03)
    assert radiation_rate(1.0, 1.0, W.row()) == 0


def test_an_unknown_material_is_told():
    with pytest.raises(UserError, match=r"unknown material 'LA'; .*'LAr'"):
        material("LA")
