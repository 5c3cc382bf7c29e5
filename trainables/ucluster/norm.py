"""Batch normalization that leaves padding out."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MaskedBatchNorm(nn.Module):
    """Batch normalization over all but the last axis, of the places that are occupied (Ioffe and Szegedy, 1502.03167).

    Args:
        features: Size of the last axis.
        momentum: Weight of a batch in the running mean and variance.
        eps: Added to the variance; as in the released code of UCluster.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, features: int, momentum: float = 0.1, eps: float = 1e-3) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.scale = nn.Parameter(torch.ones(features))
        self.shift = nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))

    def forward(self, x: Tensor, occupied: Tensor | None = None) -> Tensor:
        """Normalise ``(..., features)``.

        Args:
            x: Any number of axes before the features.
            occupied: ``x.shape[:-1]``, 1 where a place counts and 0 where it is padding; all count by default.
        """
        mean, variance = self._moments(x, occupied) if self.training else (self.mean, self.variance)
        factor = self.scale * torch.rsqrt(variance + self.eps)
        return x * factor + (self.shift - mean * factor)

    def _moments(self, x: Tensor, occupied: Tensor | None) -> tuple[Tensor, Tensor]:
        flat = x.to(torch.promote_types(x.dtype, torch.float32)).flatten(0, -2)
        if occupied is None:
            variance, mean = torch.var_mean(flat, dim=0, correction=0)
        else:
            weight = (occupied.flatten() / occupied.sum()).to(flat.dtype)
            mean = weight @ flat
            # About the running mean, which is near: a plain difference of large numbers would lose the variance.
            variance = (weight @ (flat - self.mean).square() - (mean - self.mean).square()).clamp(min=0)
        with torch.no_grad():
            self.mean.lerp_(mean, self.momentum)
            self.variance.lerp_(variance, self.momentum)
        return mean, variance
