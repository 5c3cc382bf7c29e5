"""The convolutional network that tells particles apart by their images.

K. Bhattacharya, E. Church, M. Schram, J. Strube, K. Wierman, J. Daily, C. Siegel, "Scaling studies for deep learning in
LArTPC event classification" (CHEP 2018): four blocks of a 5x5 convolution, ELU and 5x5 max pooling, a dense layer of
32 units, and five classes: 1,245,705 parameters for one plane of 3600 by 3600 pixels. Layers have the talk's names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from raise_hpo.errors import UserError

from .particles import CLASS_NAMES
from .settings import Settings

FILTERS = (10, 64, 128, 256)
"""Filters of the four blocks where the width is 1."""
POOLS = (5, 4, 3, 2)

_ACTIVATIONS = {"elu": nn.ELU, "gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU}
_COUNTS = 100.0
"""ADC counts that are made 1: about what a track leaves in a pixel of one wire."""
_FAINT = 20.0
"""ADC counts around which the logarithmic scale goes over into a linear one."""


def filters(width: float) -> tuple[int, ...]:
    """The numbers of filters of the four blocks."""
    return tuple(max(1, round(width * count)) for count in FILTERS)


def pooling(size: int, wanted: int = 0) -> int:
    """The pixels that each pooling layer joins in a direction.

    Args:
        size: Pixels of the image in its shorter direction.
        wanted: As the settings have it: a number, or 0 for the largest that leaves a pixel.

    Raises:
        UserError: The image is too small.
    """
    fitting = [pool for pool in POOLS if size >= pool ** len(FILTERS)]
    if not fitting:
        raise UserError(f"lartpc: images of {size} pixels are too small for four pooling layers; valid: at least 16")
    if wanted and wanted not in fitting:
        valid = ", ".join(map(str, (0, *fitting)))
        raise UserError(f"lartpc: 'pool' is {wanted}, too large for images of {size} pixels; valid: {valid}")
    return wanted or fitting[0]


class LArTPCNet(nn.Module):
    """From images to the classes' logits.

    Args:
        settings: The hyperparameters.
        size: Ticks and wires of the images, before any downsampling.

    Raises:
        UserError: The images are too small for the network.
    """

    def __init__(self, settings: Settings, size: tuple[int, int]) -> None:
        super().__init__()
        self.planes, self.downsample, self.intensity = settings.planes, settings.downsample, settings.intensity
        height, width = (pixels // settings.downsample for pixels in size)
        pool = pooling(min(height, width), settings.pool)
        self.layers = _layers(settings, (height, width), pool)
        self.layers.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """From ADC counts ``(events, planes, ticks, wires)``, the collection plane last, to ``(events, 5)``."""
        return self.layers(self.prepared(images))

    def prepared(self, images: Tensor) -> Tensor:
        """The planes that the network sees, downsampled, at a scale of order one."""
        counts = images[:, -self.planes :].float()
        if self.downsample > 1:
            # The sum over the pixels that are joined, as charge adds up.
            counts = functional.avg_pool2d(counts, self.downsample) * self.downsample**2
        if self.intensity == "log":
            return counts.sign() * torch.log1p(counts.abs() / _FAINT)
        return counts / _COUNTS


def _layers(settings: Settings, size: tuple[int, int], pool: int) -> nn.Sequential:
    layers: dict[str, nn.Module] = {}
    inputs, (height, width) = settings.planes, size
    for number, outputs in enumerate(filters(settings.width), 1):
        layers[f"block{number}_conv1"] = nn.Conv2d(inputs, outputs, settings.kernel, padding=settings.kernel // 2)
        layers[f"{settings.activation}_{number}"] = _ACTIVATIONS[settings.activation]()
        layers[f"block{number}_pool"] = nn.MaxPool2d(pool)
        inputs, height, width = outputs, height // pool, width // pool
    layers["flatten"] = nn.Flatten()
    layers["dropout"] = nn.Dropout(settings.dropout)
    layers["fc1"] = nn.Linear(inputs * height * width, settings.dense)
    layers[f"{settings.activation}_{len(FILTERS) + 1}"] = _ACTIVATIONS[settings.activation]()
    layers["predictions"] = nn.Linear(settings.dense, len(CLASS_NAMES))
    network = nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    return network


def _initialise(layer: nn.Module) -> None:
    """Glorot's uniform weights and no biases, as Keras has them by default."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
