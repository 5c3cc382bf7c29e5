"""The losses of 3DGAN: real or generated, primary energy, summed energy, and measured angle.

Energies are compared in per cent of the true ones (mean absolute percentage error), the angle in rad (mean absolute
error). Sources: ``keras/EcalEnergyTrain.py`` and ``AngleTrain3dGAN.py`` of https://github.com/svalleco/3Dgan.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from .net import Judgement
from .settings import Settings

ENERGY_UNIT = 100.0
"""GeV."""
_SMALL = 1e-7


class Truth(NamedTuple):
    """What is known of a batch of showers.

    Attributes:
        energy: ``(batch,)``, of the primary particle, in units of 100 GeV.
        theta: ``(batch,)``, its polar angle in rad.
        total: ``(batch,)``, the energy summed over the real shower's cells, scaled as its image is before the power.
    """

    energy: Tensor
    theta: Tensor
    total: Tensor


class Losses(NamedTuple):
    """A batch's loss, ``total``, the weighted sum of its parts."""

    total: Tensor
    generation: Tensor
    energy: Tensor
    sum: Tensor
    angle: Tensor


def image_of(cells: Tensor, settings: Settings) -> Tensor:
    """Turn cell energies in GeV, ``(batch, x, y, layer)``, into an image, ``(batch, 1, x, y, layer)``."""
    return (cells * settings.scale).pow(settings.power)[:, None]


def cells_of(image: Tensor, settings: Settings) -> Tensor:
    """Turn an image into cell energies in GeV: the inverse of `image_of`."""
    return image[:, 0].pow(1 / settings.power) / settings.scale


def percentage_error(found: Tensor, true: Tensor) -> Tensor:
    """The mean of ``100 |found - true| / |true|``."""
    return 100 * ((found - true).abs() / true.abs().clamp(min=_SMALL)).mean()


def measured_angle(cells: Tensor) -> Tensor:
    """The polar angle of a shower as its cells show it.

    Each layer's barycentre along y, taken against that of the shower, gives an angle; their mean is weighted with the
    layer's depth (``ecal_angle`` of ``AngleArch3dGAN.py``).

    Args:
        cells: ``(batch, x, y, layer)``, cell energies in any unit.

    Returns:
        ``(batch,)`` in rad, pi/2 for a shower along the layers' normal and 0 for one without energy.
    """
    layers = cells.sum((1, 2))
    x, y = _barycentres(cells.sum(2), layers), _barycentres(cells.sum(1), layers)
    z = torch.arange(layers.shape[1], device=cells.device, dtype=cells.dtype) + 0.5
    dx, dy, dz = x - _mean(x, layers), y - _mean(y, layers), z - _mean(z.expand_as(layers), layers)
    slope = dy / (dx**2 + dz**2).clamp(min=_SMALL).sqrt() * torch.where(dz < 0, -1.0, 1.0)
    weights = z * (layers > 0)
    angle = math.pi / 2 - torch.atan(slope)
    return (angle * weights).sum(1) / weights.sum(1).clamp(min=_SMALL)


def _barycentres(profile: Tensor, layers: Tensor) -> Tensor:
    """Of each layer, ``(batch, layer)``, from a profile ``(batch, x or y, layer)``; 0 in layers without energy."""
    positions = torch.arange(profile.shape[1], device=profile.device, dtype=profile.dtype) + 0.5
    return (profile * positions[:, None]).sum(1) / layers.clamp(min=_SMALL)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp(min=_SMALL)


def losses(
    judgement: Judgement, image: Tensor, labels: Tensor, truth: Truth, settings: Settings, angle: bool
) -> Losses:
    """The loss of a batch, for the discriminator and for the generator.

    Args:
        judgement: the discriminator's, of the images.
        image: ``(batch, 1, x, y, layer)``.
        labels: ``(batch,)``, 1 for images that shall seem real and 0 for others.
        truth: of the showers.
        settings: the weights of the parts, and how images are scaled.
        angle: whether the measured angle counts.
    """
    cells = cells_of(image, settings)
    zero = image.new_zeros(())
    parts = {
        "generation": functional.binary_cross_entropy_with_logits(judgement.logit, labels),
        "energy": percentage_error(judgement.energy, truth.energy),
        "sum": percentage_error(cells.sum((1, 2, 3)) * settings.scale, truth.total),
        "angle": (measured_angle(cells) - truth.theta).abs().mean() if angle else zero,
    }
    total = sum((getattr(settings, f"{name}_weight") * part for name, part in parts.items()), zero)
    return Losses(total, **parts)
