"""Generator and discriminator of 3DGAN, layer by layer as published, for 25x25x25 and for 51x51x25 cells.

Sources: ``keras/EcalEnergyGan.py`` (primary energy) and ``keras/AngleArch3dGAN.py`` (energy and angle) of
https://github.com/svalleco/3Dgan. Images are ``(batch, 1, x, y, layer)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from raise_hpo.trial.widen import layers_of

from .convolution import Conv3d

Sizes = tuple[int, int, int]
_LEAK = 0.3
"""Keras's slope of a leaky ReLU."""
_NORM = {"eps": 1e-3, "momentum": 0.01}
"""Keras's batch normalisation."""


@dataclass(frozen=True)
class Layer:
    """A convolution with what comes before it.

    Attributes:
        channels: of its output, for a network of width 1.
        kernel: its size.
        pad: zeros before and after, along x, y and layer; ``same`` keeps the image's size.
        up: repetitions of each cell, before the zeros.
        norm: whether a batch normalisation follows the activation.
        bias: whether it has a bias.
    """

    channels: int
    kernel: Sizes
    pad: Sizes | str = (0, 0, 0)
    up: Sizes = (1, 1, 1)
    norm: bool = False
    bias: bool = True

    def padding(self) -> tuple[int, ...]:
        """The zeros as torch wants them: last axis first, before and after."""
        if self.pad == "same":
            sides = [((size - 1) // 2, size // 2) for size in self.kernel]
        else:
            sides = [(zeros, zeros) for zeros in self.pad]
        return tuple(zeros for side in reversed(sides) for zeros in side)


@dataclass(frozen=True)
class Architecture:
    """Both networks for images of one size.

    Attributes:
        shape: x, y, layers of an image.
        angle: whether the generator is told an angle, too.
        start: x, y, layers of the generator's first image.
        start_channels: its channels, for a network of width 1.
        leak: slope of the generator's activation for negative values.
        generator: its convolutions; the last one makes the shower.
        discriminator: its convolutions.
    """

    shape: Sizes
    angle: bool
    start: Sizes
    start_channels: int
    leak: float
    generator: tuple[Layer, ...]
    discriminator: tuple[Layer, ...]


FIXED_ANGLE = Architecture(
    shape=(25, 25, 25),
    angle=False,
    start=(7, 7, 8),
    start_channels=8,
    leak=_LEAK,
    generator=(
        Layer(64, (6, 6, 8), "same", norm=True),
        Layer(6, (6, 5, 8), (2, 2, 0), up=(2, 2, 2), norm=True),
        Layer(6, (3, 3, 8), (1, 0, 3), up=(2, 2, 3)),
        Layer(1, (2, 2, 2), bias=False),
    ),
    discriminator=(
        Layer(32, (5, 5, 5), "same"),
        Layer(8, (5, 5, 5), (2, 2, 2), norm=True),
        Layer(8, (5, 5, 5), (2, 2, 2), norm=True),
        Layer(8, (5, 5, 5), (1, 1, 1), norm=True),
    ),
)
VARIABLE_ANGLE = Architecture(
    shape=(51, 51, 25),
    angle=True,
    start=(9, 9, 8),
    start_channels=8,
    leak=0.0,
    generator=(
        Layer(8, (4, 4, 8), up=(6, 6, 4), norm=True),
        *(Layer(6, (4, 4, 6), "same", norm=True) for _ in range(4)),
        Layer(6, (2, 2, 3), "same"),
        Layer(1, (2, 2, 2), "same"),
    ),
    discriminator=(
        Layer(16, (5, 6, 6), "same"),
        Layer(8, (5, 6, 6), (0, 0, 1), norm=True),
        Layer(8, (5, 6, 6), (0, 0, 1), norm=True),
        Layer(8, (5, 6, 6), norm=True),
    ),
)
ARCHITECTURES = {architecture.shape: architecture for architecture in (FIXED_ANGLE, VARIABLE_ANGLE)}
"""By the shape of an image."""


def channels(count: int, width: float) -> int:
    """Channels of a layer that has `count` of them in a network of width 1."""
    return max(1, round(count * width))


def _block(layer: Layer, before: int, after: int, activation: nn.Module) -> list[nn.Module]:
    found: list[nn.Module] = []
    if max(layer.up) > 1:
        found.append(nn.Upsample(scale_factor=tuple(map(float, layer.up)), mode="nearest"))
    if any(layer.padding()):
        found.append(nn.ConstantPad3d(layer.padding(), 0.0))
    return [*found, Conv3d(before, after, layer.kernel, bias=layer.bias), activation]


class Generator(nn.Module):
    """From random numbers, and what is known of the primary particle, to images of showers.

    Args:
        architecture: of which size.
        width: factor on the numbers of channels; the shower itself has one.
        latent_size: numbers that a shower is made from.
    """

    def __init__(self, architecture: Architecture, width: float, latent_size: int) -> None:
        super().__init__()
        self.architecture, self.latent_size = architecture, latent_size
        before = channels(architecture.start_channels, width)
        self.start = nn.Linear(latent_size, before * torch.Size(architecture.start).numel())
        blocks: list[nn.Module] = []
        for layer in architecture.generator[:-1]:
            after = channels(layer.channels, width)
            blocks += _block(layer, before, after, nn.LeakyReLU(architecture.leak))
            blocks += [nn.BatchNorm3d(after, **_NORM)] if layer.norm else []
            before = after
        blocks += _block(architecture.generator[-1], before, 1, nn.ReLU())
        self.blocks = nn.Sequential(*blocks)
        self.apply(_initialise_generator)
        self._initialise_ends()

    @property
    def layers(self) -> list[str]:
        """The names of the layers in the order in which data pass them, for `widened`."""
        return ["start", *layers_of(self.blocks, "blocks")]

    @property
    def noise_size(self) -> int:
        """How many of its numbers are random."""
        return self.latent_size - (2 if self.architecture.angle else 0)

    def forward(self, energy: Tensor, theta: Tensor, noise: Tensor) -> Tensor:
        """Make showers, as images of scaled cell energies.

        Args:
            energy: ``(batch,)``, of the primary particles, in units of 100 GeV.
            theta: ``(batch,)``, their polar angles in rad; not used where the architecture has none.
            noise: ``(batch, noise_size)``, normally distributed.

        Returns:
            ``(batch, 1, x, y, layer)``, not negative.
        """
        if self.architecture.angle:
            latent = torch.cat([energy[:, None], theta[:, None], noise], 1)
        else:
            latent = energy[:, None] * noise
        return self.blocks(self.start(latent).unflatten(1, (-1, *self.architecture.start)))

    def _initialise_ends(self) -> None:
        last = [module for module in self.blocks if isinstance(module, nn.Conv3d)][-1]
        nn.init.xavier_uniform_(self.start.weight)
        nn.init.xavier_normal_(last.weight)


class Judgement(NamedTuple):
    """What the discriminator's layers say of images.

    Attributes:
        logit: ``(batch,)``, positive where the image seems real.
        energy: ``(batch,)``, of the primary particle, in units of 100 GeV.
    """

    logit: Tensor
    energy: Tensor


class Discriminator(nn.Module):
    """From images of showers to whether they are real, and the energy of the primary particle.

    Args:
        architecture: of which size.
        width: factor on the numbers of channels.
        dropout: share of units dropped.
    """

    def __init__(self, architecture: Architecture, width: float, dropout: float) -> None:
        super().__init__()
        before, blocks, sizes = 1, [], list(architecture.shape)
        for layer in architecture.discriminator:
            after = channels(layer.channels, width)
            blocks += _block(layer, before, after, nn.LeakyReLU(_LEAK))
            blocks += [nn.BatchNorm3d(after, **_NORM)] if layer.norm else []
            blocks.append(nn.Dropout(dropout))
            zeros = layer.padding()[::-1]
            sizes = [n + zeros[2 * i] + zeros[2 * i + 1] - layer.kernel[i] + 1 for i, n in enumerate(sizes)]
            before = after
        self.blocks = nn.Sequential(*blocks, nn.AvgPool3d(2), nn.Flatten())
        features = before * torch.Size([size // 2 for size in sizes]).numel()
        self.real, self.energy = nn.Linear(features, 1), nn.Linear(features, 1)
        self.apply(_initialise_discriminator)

    @property
    def layers(self) -> list[str | tuple[str, ...]]:
        """The names of the layers in the order in which data pass them, for `widened`."""
        return [*layers_of(self.blocks, "blocks"), ("real", "energy")]

    def forward(self, image: Tensor) -> Judgement:
        """Judge ``(batch, 1, x, y, layer)`` images of scaled cell energies."""
        features = self.blocks(image)
        return Judgement(self.real(features)[:, 0], self.energy(features)[:, 0])


def _initialise_generator(module: nn.Module) -> None:
    _initialise(module, lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"))


def _initialise_discriminator(module: nn.Module) -> None:
    _initialise(module, nn.init.xavier_uniform_)


def _initialise(module: nn.Module, weights) -> None:
    if isinstance(module, nn.Conv3d | nn.Linear):
        weights(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
