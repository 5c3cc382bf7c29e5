"""The loss of MLPF: a classification of every element and the momentum of those that are particles.

Every event weighs the same: a batch's loss is the mean over its events of means over the event's own elements. The
gradients of several workers, averaged, are therefore those of one worker on all their events.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from .net import Prediction
from .schema import CLASS_NAMES, NONE

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.utils import scatter

MOMENTUM_DELTAS = (1.0, 0.1, 0.1, 0.1, 1.0)
"""Where the Huber loss of log pT, eta, sin phi, cos phi and log E turns from square to linear."""
MOMENTUM_WEIGHTS = (1.0, 10.0, 10.0, 10.0, 1.0)
"""Weights of those five: the angles are known to 0.1 or better, pT and E to a factor."""


class Losses(NamedTuple):
    """A batch's loss, ``total = cls + reg``, and its parts."""

    total: Tensor
    cls: Tensor
    reg: Tensor


def class_weights(classes: Tensor) -> Tensor:
    """Return a weight for each class, ``(6,)``: the inverse square root of its frequency, of mean 1 over the elements.

    Args:
        classes: ``(N,)``, the classes of the training events' particles; one that has none gets the weight of one that
            has one.
    """
    counts = torch.bincount(classes.long(), minlength=len(CLASS_NAMES)).double()
    weights = counts.clamp(min=1).rsqrt()
    return (weights * counts.sum() / (weights * counts).sum()).float()


def particle_momentum(y: Tensor) -> Tensor:
    """Return the ``(N, 5)`` log pT, eta, sin phi, cos phi and log E of ``(N, 7)`` particles; void where none is."""
    pt, energy = (y[:, column].clamp(min=1e-3).log() for column in (2, 6))
    return torch.stack([pt, y[:, 3], y[:, 4], y[:, 5], energy], dim=1)


def losses(prediction: Prediction, y: Tensor, sizes: Tensor, weights: Tensor) -> Losses:
    """Return the losses of a batch.

    The classification's is the cross entropy, weighted by the element's true class; the momentum's a Huber loss, summed
    over the components with `MOMENTUM_WEIGHTS`, over elements that are particles.

    Args:
        prediction: For ``N`` elements.
        y: ``(N, 7)``, their particles.
        sizes: ``(events,)``, the elements of each event.
        weights: ``(6,)``, of the classes.
    """
    event, classes = torch.repeat_interleave(sizes), y[:, 0].long()
    entropy = functional.cross_entropy(prediction.logits.float(), classes, reduction="none") * weights[classes]
    particle = (classes != NONE).to(entropy.dtype)
    # An event without particles has no momenta to get wrong.
    particles = scatter(particle, event, dim_size=len(sizes), reduce="sum").clamp(min=1)
    huber = _huber(prediction.momentum.float(), particle_momentum(y))
    cls = (entropy / sizes[event]).sum() / len(sizes)
    reg = (huber * particle / particles[event]).sum() / len(sizes)
    return Losses(cls + reg, cls, reg)


def _huber(predicted: Tensor, true: Tensor) -> Tensor:
    """The weighted sum over the components of a Huber loss, ``(N,)``."""
    delta, weight = (predicted.new_tensor(values) for values in (MOMENTUM_DELTAS, MOMENTUM_WEIGHTS))
    distance = (predicted - true).abs()
    near = distance.minimum(delta)
    return (weight * near * (distance - 0.5 * near)).sum(1)
