"""Locality-sensitive hashing: every event's elements go to bins of neighbours in the learned space.

As in Reformer (Kitaev et al., arXiv:2001.04451) and MLPF (Pata et al., EPJC 81, 381), an element ``v`` gets the code

    h(v) = argmax([v R, -v R])

with a fixed random matrix ``R``. Elements are ordered by code, event by event, and the ordered list is cut into bins.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """How the elements of a batch are cut into bins, whatever their order within an event.

    Events do not share bins, and an event's ``ceil(n / bin_size)`` bins are filled evenly: what becomes of an event
    does not depend on the others in its batch.

    Attributes:
        event: ``(N,)``, the event of each element, in ascending order.
        bins: ``(events,)``, the number of bins of each event.
        most: The number of bins of the event that has most.
        slot: ``(N,)``, the place that each element takes once it is ordered, in the flattened ``(count, size)`` array.
        occupied: ``(count, size)``, true where a bin's place holds an element; the others are padding.
    """

    event: Tensor
    bins: Tensor
    most: int
    slot: Tensor
    occupied: Tensor

    @classmethod
    def of(cls, sizes: Tensor, bin_size: int) -> Layout:
        """Cut events of ``sizes`` elements, ``(events,)``, into bins of at most ``bin_size``."""
        return cls._cut(torch.repeat_interleave(sizes), sizes, bin_size)

    @classmethod
    def of_one(cls, x: Tensor, bin_size: int) -> Layout:
        """Cut a single event of elements ``x``, ``(N, ...)``, the same way; `torch.export` may leave N open."""
        event = torch.zeros(x.shape[0], dtype=torch.long, device=x.device)
        return cls._cut(event, torch.full((1,), x.shape[0], dtype=torch.long, device=x.device), bin_size)

    @classmethod
    def _cut(cls, event: Tensor, sizes: Tensor, bin_size: int) -> Layout:
        bins = (sizes + bin_size - 1) // bin_size
        count, most = torch.stack([bins.sum(), bins.max()]).tolist()
        place = torch.arange(event.shape[0], device=sizes.device) - (sizes.cumsum(0) - sizes)[event]
        n, m = sizes[event], bins[event]
        within = place * m // n
        first_of_bin = (within * n + m - 1) // m
        slot = ((bins.cumsum(0) - bins)[event] + within) * bin_size + place - first_of_bin
        occupied = torch.zeros(count * bin_size, dtype=torch.bool, device=sizes.device).index_fill(0, slot, True)
        return cls(event, bins, most, slot, occupied.view(count, bin_size))


def hash_codes(points: Tensor, rotations: Tensor, layout: Layout) -> Tensor:
    """Return the code of each element, ``(N,)``, as many codes in an event as it has bins (even, at least 2).

    Args:
        points: ``(N, distance_dim)``.
        rotations: ``(distance_dim, most)``, the columns of ``R``; an event uses the first half as many as its bins.
        layout: The batch's bins.
    """
    half = (layout.bins // 2).clamp(1, rotations.shape[1])
    # Python's min and max would decide in an export what the number of bins is.
    most = torch.sym_max(1, torch.sym_min(layout.most // 2, rotations.shape[1]))
    turned = points @ rotations[:, :most]
    half = half[layout.event]
    beyond = torch.arange(most, device=points.device) >= half[:, None]
    column = turned.abs().masked_fill(beyond, -1).argmax(1)
    negative = turned.gather(1, column[:, None]).squeeze(1) < 0
    return column + half * negative


@torch.no_grad()
def assign(points: Tensor, rotations: Tensor, layout: Layout) -> Tensor:
    """Return the place in the bins, ``(N,)``, that each element gets by its code; arguments as in `hash_codes`."""
    codes = hash_codes(points, rotations, layout)
    # Whole numbers keep events apart; elements of equal code keep their order, which ONNX knows no stable sort for.
    keys = layout.event * (2 * rotations.shape[1]) + codes
    order = torch.argsort(keys * keys.shape[0] + torch.arange(keys.shape[0], device=keys.device))
    return torch.empty_like(layout.slot).index_copy(0, order, layout.slot)


def into_bins(values: Tensor, slot: Tensor, layout: Layout) -> Tensor:
    """Put the rows of ``(N, F)`` into their places: ``(count, size, F)``, 0 in the padding."""
    places = values.new_zeros(layout.occupied.numel(), values.shape[1])
    return places.index_copy(0, slot, values).view(*layout.occupied.shape, -1)


def out_of_bins(binned: Tensor, slot: Tensor) -> Tensor:
    """Undo `into_bins`: from ``(count, size, F)`` back to ``(N, F)``."""
    return binned.flatten(0, 1).index_select(0, slot)
