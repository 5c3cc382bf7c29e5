"""The networks have the published shapes, and the convolution torch's gradients."""

import pytest
import torch
from torch import nn

from raise_hpo.trial.widen import widened
from trainables.calogan.convolution import Conv3d
from trainables.calogan.net import FIXED_ANGLE, VARIABLE_ANGLE, Discriminator, Generator


def keras_count(network: nn.Module) -> int:
    """Parameters as Keras counts them, with the moving means and variances of batch normalisation."""
    moving = sum(b.numel() for name, b in network.named_buffers() if "running" in name)
    return moving + sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("architecture", "generator", "discriminator", "megabytes"),
    [(FIXED_ANGLE, 872_948, 73_450, 3.8), (VARIABLE_ANGLE, 1_065_799, 87_402, 4.6)],
)
def test_the_published_networks_have_the_published_numbers_of_parameters(
    architecture, generator, discriminator, megabytes
):
    # The layers of keras/EcalEnergyGan.py and keras/AngleArch3dGAN.py with a latent size of 200, counted by hand; the
    # talk says "~1 M parameters, 3.8 MB" of the first and "~1.2 M parameters" of the second.
    counts = [keras_count(Generator(architecture, 1.0, 200)), keras_count(Discriminator(architecture, 1.0, 0.2))]
    assert counts == [generator, discriminator]
    assert 4 * sum(counts) / 1e6 == pytest.approx(megabytes, abs=0.05)


def test_the_discriminator_of_large_images_has_the_features_of_another_implementation():
    # nn.Linear(19152, 1) in use-cases/3dgan/model.py of interTwin-eu/itwinai.
    assert Discriminator(VARIABLE_ANGLE, 1.0, 0.2).real.in_features == 19152


@pytest.mark.parametrize("architecture", [FIXED_ANGLE, VARIABLE_ANGLE])
def test_images_have_their_shape_and_are_not_negative(architecture):
    generator = Generator(architecture, 0.05, 10)
    image = generator(torch.ones(2), torch.ones(2), torch.randn(2, generator.noise_size))
    assert image.shape == (2, 1, *architecture.shape) and image.min() >= 0
    assert all(part.shape == (2,) for part in Discriminator(architecture, 0.05, 0.0)(image))


def test_the_angle_counts_where_it_varies_and_only_there():
    for architecture in (FIXED_ANGLE, VARIABLE_ANGLE):
        generator = Generator(architecture, 0.05, 10).eval()
        noise = torch.randn(1, generator.noise_size)
        one, other = (generator(torch.ones(1), torch.full((1,), angle), noise) for angle in (1.1, 2.0))
        assert torch.equal(one, other) != architecture.angle


def test_the_convolution_has_the_gradients_of_torch():
    torch.manual_seed(0)
    ours, theirs = Conv3d(3, 4, (2, 3, 4)).double(), nn.Conv3d(3, 4, (2, 3, 4)).double()
    theirs.load_state_dict(ours.state_dict())
    images = [torch.rand(2, 3, 6, 5, 7, dtype=torch.double).requires_grad_() for _ in range(2)]
    images[1].data.copy_(images[0].data)
    results = [convolution(image) for convolution, image in zip((ours, theirs), images, strict=True)]
    weights = torch.rand_like(results[0])
    for result in results:
        (result * weights).sum().backward()
    torch.testing.assert_close(*results)
    torch.testing.assert_close(images[0].grad, images[1].grad)
    for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, its.grad)


@pytest.mark.parametrize("architecture", [FIXED_ANGLE, VARIABLE_ANGLE])
def test_wider_networks_made_from_narrower_ones_compute_the_same(architecture):
    torch.manual_seed(4)
    energy, theta = torch.tensor([0.5, 2.0]), torch.tensor([1.2, 1.8])
    narrow, wide = (Generator(architecture, width, 20).eval() for width in (0.05, 0.1))
    wide.load_state_dict(widened(narrow.state_dict(), wide, wide.layers, 1))
    noise = torch.randn(2, narrow.noise_size)
    image = narrow(energy, theta, noise)
    torch.testing.assert_close(wide(energy, theta, noise), image, rtol=1e-4, atol=1e-5)
    judge, larger = (Discriminator(architecture, width, 0.2).eval() for width in (0.1, 0.2))
    larger.load_state_dict(widened(judge.state_dict(), larger, larger.layers, 1))
    torch.testing.assert_close(larger(image), judge(image), rtol=1e-4, atol=1e-5)
