"""More training events by the symmetries of the chamber."""

from __future__ import annotations

import torch
from torch import Tensor


def mirrored(images: Tensor) -> Tensor:
    """Flip each event along the ticks, along the wires, both or neither, all alike often.

    Along the ticks, that is the mirror image in the drift direction. Along the wires of all planes at once it is a half
    turn about the drift direction, which takes each wire to another of its plane. Both leave all physics as it is.

    Args:
        images: ``(events, planes, ticks, wires)``.
    """
    for axis in (2, 3):
        chosen = torch.rand(len(images)).to(images.device) < 0.5
        images = torch.where(chosen[:, None, None, None], images.flip(axis), images)
    return images
