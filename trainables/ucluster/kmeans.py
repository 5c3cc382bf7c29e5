"""k-means clustering: Lloyd's algorithm from k-means++ starts, the same on every machine for the same seed."""

from __future__ import annotations

import torch
from torch import Tensor

_STARTS = 10
_STEPS = 100


def kmeans(points: Tensor, clusters: int, seed: int) -> Tensor:
    """Return ``(clusters, D)`` centroids of ``(N, D)`` points, the best of ten starts (Arthur, Vassilvitskii 2007).

    Args:
        points: At least one; where fewer differ than there are clusters, centroids coincide.
        clusters: How many.
        seed: Of the starts.
    """
    generator = torch.Generator().manual_seed(seed)
    points = points.double().cpu()
    found = [_lloyd(points, _start(points, clusters, generator)) for _ in range(_STARTS)]
    return min(found, key=lambda one: one[0])[1].float()


def _start(points: Tensor, clusters: int, generator: torch.Generator) -> Tensor:
    """Choose points far from those chosen before, in proportion to the squared distance."""
    centroids = points[torch.randint(len(points), (1,), generator=generator)]
    while len(centroids) < clusters:
        distance = _distances(points, centroids).amin(1) + 1e-12
        centroids = torch.cat([centroids, points[torch.multinomial(distance, 1, generator=generator)]])
    return centroids


def _lloyd(points: Tensor, centroids: Tensor) -> tuple[float, Tensor]:
    """Return the sum of squared distances and the centroids at which Lloyd's steps come to rest."""
    for _ in range(_STEPS):
        nearest = _distances(points, centroids).argmin(1)
        count = torch.bincount(nearest, minlength=len(centroids)).double().unsqueeze(1)
        total = torch.zeros_like(centroids).index_add_(0, nearest, points)
        moved = torch.where(count > 0, total / count.clamp(min=1), centroids)
        if torch.equal(moved, centroids):
            break
        centroids = moved
    return float(_distances(points, centroids).amin(1).sum()), centroids


def _distances(points: Tensor, centroids: Tensor) -> Tensor:
    return (points.unsqueeze(1) - centroids).square().sum(-1)
