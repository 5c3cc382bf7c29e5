"""What workloads add up over the samples of an epoch, and report so that workers without samples count for nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Reported = dict[str, float | tuple[float, float]]
"""What an epoch reports: numbers, and pairs that are summed over the workers and divided then."""


def zeros(*shape: int, device: torch.device) -> Tensor:
    """A sum to begin with, in double precision, so that long sums lose nothing."""
    return torch.zeros(shape, dtype=torch.float64, device=device)


def mean_losses(prefix: str, parts: Sequence[str], total: Tensor, samples: int) -> Reported:
    """Losses that were summed over samples, as pairs.

    Args:
        prefix: What the names begin with: ``train`` gives ``train_loss``, ``train_loss_cls``.
        parts: The names of the losses; the first one is the whole loss, whatever it is called, the others its parts.
        total: ``(len(parts),)``, the losses' sums over this worker's samples.
        samples: How many samples those were.
    """
    names = (f"{prefix}_loss", *(f"{prefix}_loss_{part}" for part in parts[1:]))
    return {name: (loss, samples) for name, loss in zip(names, total.tolist(), strict=True)}
