"""Non-dominated sorting: what is better where there are several objectives. All are losses: smaller is better."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from operator import le

import numpy as np

Losses = tuple[float, ...]


def dominates(one: Losses, other: Losses) -> bool:
    """Whether the first is nowhere worse than the second and somewhere better."""
    return one != other and all(map(le, one, other))


def first_front(points: Sequence[Losses]) -> list[int]:
    """The indices of the points that no other one dominates, by the first loss; equal points are all kept."""
    found: list[int] = []
    # In this order a point can only be dominated by one that comes before it.
    for index in sorted(range(len(points)), key=lambda index: (points[index], index)):
        if not any(dominates(points[kept], points[index]) for kept in found):
            found.append(index)
    return found


def spread(points: Sequence[Losses]) -> list[int]:
    """The indices of the points in an order in which each comes as far as possible from all before it.

    The first is the one with the smallest first loss. This is the epsilon-net by which Schmucker et al.
    (arXiv:2106.12639) rank within a front. Distances are Euclidean with each loss scaled to its range, so that units do
    not matter.
    """
    values = np.array(points, dtype=np.float64)
    extent = np.ptp(values, axis=0)
    scaled = (values - values.min(axis=0)) / np.where(extent > 0, extent, 1.0)
    order = [min(range(len(points)), key=lambda index: (points[index], index))]
    nearest = np.full(len(points), np.inf)
    while len(order) < len(points):
        nearest = np.minimum(nearest, np.linalg.norm(scaled - scaled[order[-1]], axis=1))
        nearest[order[-1]] = -1.0
        order.append(int(np.argmax(nearest)))
    return order


class Fronts:
    """Points in non-dominated fronts, kept up to date as points come in.

    The first front is dominated by nobody, the second only by points of the first, and so on (Deb et al. 2002). A new
    point pushes those that it dominates a front further, and they in turn others (Li et al., IEEE Transactions on
    Cybernetics 47, 2017), which is less work than sorting anew.
    """

    def __init__(self) -> None:
        self._points: dict[int, Losses] = {}
        self._front_of: dict[int, int] = {}
        self._fronts: list[list[int]] = []
        self._ordered: list[list[int] | None] = []

    def __len__(self) -> int:
        return len(self._fronts)

    def add(self, key: int, point: Losses) -> None:
        """Put a new point into its front."""
        self._points[key] = point
        place = bisect_left(range(len(self._fronts)), True, key=lambda front: not self._dominated(point, front))
        moving = [key]
        while moving:
            moving, place = self._enter(moving, place), place + 1

    def _dominated(self, point: Losses, front: int) -> bool:
        return any(dominates(self._points[key], point) for key in self._fronts[front])

    def _enter(self, keys: list[int], place: int) -> list[int]:
        """Put keys into a front; those that they push out of it."""
        if place == len(self._fronts):
            self._fronts.append([])
            self._ordered.append(None)
        pushed = [
            key for key in self._fronts[place] if any(dominates(self._points[new], self._points[key]) for new in keys)
        ]
        out = set(pushed)
        self._fronts[place] = [key for key in self._fronts[place] if key not in out] + keys
        self._front_of.update(dict.fromkeys(keys, place))
        self._ordered[place] = None
        return pushed

    def front_of(self, key: int) -> int:
        """The number of a point's front, 0 for the best."""
        return self._front_of[key]

    def size(self, front: int) -> int:
        """How many points a front has."""
        return len(self._fronts[front])

    def members(self, front: int) -> list[int]:
        """A front's keys, unordered."""
        return self._fronts[front]

    def ordered(self, front: int) -> list[int]:
        """A front's keys in the order of `spread`; among equal points the smaller key comes first."""
        known = self._ordered[front]
        if known is None:
            keys = sorted(self._fronts[front])
            known = [keys[index] for index in spread([self._points[key] for key in keys])]
            self._ordered[front] = known
        return known
