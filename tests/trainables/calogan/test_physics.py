"""Losses by hand-made images, and a score that is 0 for the same showers and worse for other ones."""

import math

import pytest
import torch

from trainables.calogan.generate import Recipe, shower
from trainables.calogan.loss import Truth, cells_of, image_of, losses, measured_angle, percentage_error
from trainables.calogan.net import Judgement
from trainables.calogan.physics import BINS, bin_of, count_of, physics_metrics, resolution, sums
from trainables.calogan.plots import figures
from trainables.calogan.settings import Settings

SHAPE = (25, 25, 25)


def showers(seed: int, count: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """Blobs whose energy is a fiftieth of the primary's, with some noise."""
    made = torch.Generator().manual_seed(seed)
    energy = 10 + 490 * torch.rand(count, generator=made)
    x = torch.arange(25.0)
    side, depth = torch.exp(-((x - 12) ** 2) / 4), torch.exp(-((x - 11) ** 2) / 30)
    blob = side[:, None, None] * side[None, :, None] * depth
    cells = blob * (1 + 0.3 * torch.rand(count, *SHAPE, generator=made))
    return cells / cells.sum((1, 2, 3), keepdim=True) * energy[:, None, None, None] / 50, energy


def score(cells: torch.Tensor, energy: torch.Tensor, made: torch.Tensor) -> dict[str, float]:
    return physics_metrics(torch.stack([sums(cells, energy), sums(made, energy)]), SHAPE, angle=True)


def test_the_same_showers_have_no_deviation():
    cells, energy = showers(1)
    assert score(cells, energy, cells) == pytest.approx(dict.fromkeys(score(cells, energy, cells), 0.0), abs=1e-12)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda cells: 1.5 * cells, {"sampling"}),
        (lambda cells: cells.roll(6, 3), {"longitudinal", "moments"}),
        (lambda cells: cells.roll(6, 1), {"transverse", "moments"}),
        (lambda cells: torch.where(cells > cells.mean(), cells, 0.0), {"hits"}),
        (lambda cells: cells * torch.linspace(0.5, 1.5, len(cells))[:, None, None, None], {"resolution"}),
    ],
)
def test_each_deviation_sees_what_it_is_for(change, names):
    cells, energy = showers(1)
    found = score(cells, energy, change(cells))
    assert all(found[f"val_{name}"] > 0.02 for name in names)
    assert found["val_physics"] == pytest.approx(sum(v for n, v in found.items() if n != "val_physics") / 7)


def test_no_shower_at_all_is_as_bad_as_can_be_and_still_a_number():
    cells, energy = showers(1)
    found = score(cells, energy, torch.zeros_like(cells))
    assert found["val_longitudinal"] == found["val_transverse"] == found["val_sampling"] == found["val_hits"] == 1
    assert math.isfinite(found["val_physics"]) and found["val_physics"] <= 1


def test_nan_is_not_hidden():
    cells, energy = showers(1)
    assert math.isnan(score(cells, energy, cells * math.nan)["val_physics"])


def test_sums_add_up_over_batches_and_bins_hold_their_energies():
    cells, energy = showers(2)
    whole, parts = sums(cells, energy), sums(cells[:7], energy[:7]) + sums(cells[7:], energy[7:])
    torch.testing.assert_close(whole, parts)
    assert whole.shape == (BINS, count_of(SHAPE)) and whole[:, 0].sum() == len(energy)
    assert bin_of(torch.tensor([10.0, 99.9, 100.0, 250.0, 399.0, 500.0])).tolist() == [0, 0, 1, 2, 3, 4]


def test_the_resolution_is_the_relative_spread():
    spread = resolution({"sampling": torch.tensor(0.02), "sampling2": torch.tensor(0.02**2 * 1.04)})
    assert spread.item() == pytest.approx(0.2, rel=1e-4)


def test_plots_show_reference_and_generated():
    cells, energy = showers(3)
    found = figures(torch.stack([sums(cells, energy), sums(2 * cells, energy)]), SHAPE, angle=True)
    assert {"Longitudinal profile", "Sampling fraction", "Measured angle in rad"} <= set(found)
    reference, generated = found["Sampling fraction"].data
    assert all(2 * a == pytest.approx(b) for a, b in zip(reference.y, generated.y, strict=True))
    assert all(len(figure.to_json()) < 300_000 for figure in found.values())


@pytest.mark.parametrize("degrees", [62.0, 90.0, 118.0])
def test_the_measured_angle_is_that_of_the_shower(degrees):
    recipe = Recipe(6, 3, least_energy=50, most_energy=60, least_angle=degrees, most_angle=degrees + 1e-6)
    cells = torch.stack([torch.from_numpy(shower(recipe, i).cells) for i in range(recipe.events)])
    assert math.degrees(measured_angle(cells).mean()) == pytest.approx(degrees, abs=5)


def test_images_and_cells_are_inverse():
    settings = Settings(scale=50.0, power=0.85)
    cells = torch.rand(2, 3, 3, 3)
    torch.testing.assert_close(cells_of(image_of(cells, settings), settings), cells)


def test_the_loss_is_the_weighted_sum_of_its_parts():
    settings = Settings(generation_weight=3.0, energy_weight=0.5, sum_weight=0.2, angle_weight=25.0)
    image = torch.full((2, 1, 4, 4, 4), 0.5)
    truth = Truth(torch.tensor([1.0, 2.0]), torch.tensor([math.pi / 2, math.pi / 2]), torch.tensor([64.0, 16.0]))
    judgement = Judgement(torch.zeros(2), torch.tensor([1.1, 1.0]))
    loss = losses(judgement, image, torch.ones(2), truth, settings, angle=True)
    assert loss.generation.item() == pytest.approx(math.log(2))
    assert loss.energy.item() == pytest.approx(30.0, rel=1e-5)  # 10 % and 50 %
    assert loss.sum.item() == pytest.approx(75.0, rel=1e-5)  # 32 of 64 and 32 of 16
    assert loss.angle.item() == pytest.approx(0.0, abs=1e-5)
    assert loss.total.item() == pytest.approx(3 * math.log(2) + 15 + 15, rel=1e-5)


def test_gradients_are_finite_for_empty_and_for_partly_empty_images():
    image = torch.zeros(3, 1, 51, 51, 25)
    image[1, 0, 20, 20, 3] = image[2, 0, 25, 25:30, :10] = 1.0
    image.requires_grad_()
    (
        measured_angle(cells_of(image, Settings(power=0.85))).sum() + percentage_error(image.sum(), torch.ones(()))
    ).backward()
    assert torch.isfinite(image.grad).all()
