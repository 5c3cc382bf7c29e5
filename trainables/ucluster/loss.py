"""The losses of UCluster: a focal loss of the mass category, and a k-means loss that gradients can flow through."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .net import Output
from .settings import Settings


class Losses(NamedTuple):
    """A batch's loss, ``total = cls + beta * cluster`` (without the second term while pretraining), and its parts."""

    total: Tensor
    cls: Tensor
    cluster: Tensor


def focal_loss(logits: Tensor, category: Tensor, gamma: float, scale: float) -> Tensor:
    """Return the mean focal loss, ``-scale (1 - p)^gamma log p`` of the true category (Lin et al., arXiv:1708.02002).

    Args:
        logits: ``(..., C)``.
        category: ``(...)``, the true ones.
        gamma: 0 gives the cross entropy.
        scale: A factor.
    """
    log_p = torch.log_softmax(logits.float(), -1).gather(-1, category.unsqueeze(-1)).squeeze(-1)
    # At p = 1 the derivative of (1 - p)^gamma is infinite for gamma < 1.
    missing = (1 - log_p.exp()).clamp(min=1e-7)
    return -scale * (missing**gamma * log_p).mean()


def cluster_loss(distances: Tensor, alpha: float) -> Tensor:
    """Return the deep k-means loss (Fard et al., arXiv:1806.10069).

    It is the mean over rows of ``sum_k d_k exp(-alpha d_k) / sum_l exp(-alpha d_l)``.

    Args:
        distances: ``(B, n_clusters)``, the squared distances ``d``.
        alpha: The inverse temperature: 0 is the mean distance, infinity that from the nearest centroid.
    """
    distances = distances.float()
    return (torch.softmax(-alpha * distances, 1) * distances).sum(1).mean()


def alpha_at(epoch: int, settings: Settings) -> float:
    """Return the inverse temperature in an epoch, counted from 0; that of the first clustering epoch before it."""
    return settings.alpha_start + settings.alpha_step * max(epoch - settings.epochs_pretrain, 0)


def losses(output: Output, category: Tensor, epoch: int, settings: Settings) -> Losses:
    """Return the losses of a batch.

    Args:
        output: Of the network.
        category: ``(B,)``, or ``(B, num_point)`` for anomaly detection; those beyond ``ncat`` count as the last.
        epoch: Counted from 0.
        settings: The configuration.
    """
    category = category.long().clamp(max=settings.ncat - 1)
    cls = focal_loss(output.logits, category, settings.focal_gamma, settings.focal_scale)
    cluster = cluster_loss(output.distances, alpha_at(epoch, settings))
    # While pretraining the weight is 0, and not the term absent, so that every parameter has a gradient on each worker.
    weight = settings.beta if epoch >= settings.epochs_pretrain else 0.0
    return Losses(cls + weight * cluster, cls, cluster)
