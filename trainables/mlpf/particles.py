"""Generated particles as arrays, and lists of events made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Particles:
    """Particles of one or more collisions.

    Attributes:
        momentum: ``(n, 4)``, px, py, pz and E in GeV.
        vertex: ``(n, 3)``, the point of production in metres.
        pdg: ``(n,)``, the signed PDG code.
        charge: ``(n,)``, in units of the proton's.
    """

    momentum: Floats
    vertex: Floats
    pdg: Ints
    charge: Floats

    def __len__(self) -> int:
        return len(self.pdg)

    @property
    def pt(self) -> Floats:
        """Transverse momentum, GeV."""
        return np.hypot(self.momentum[:, 0], self.momentum[:, 1])

    @property
    def eta(self) -> Floats:
        """Pseudorapidity of the momentum."""
        return np.arcsinh(self.momentum[:, 2] / np.maximum(self.pt, 1e-12))

    @property
    def phi(self) -> Floats:
        """Azimuth of the momentum, in (-pi, pi]."""
        return np.arctan2(self.momentum[:, 1], self.momentum[:, 0])

    @property
    def energy(self) -> Floats:
        """Energy, GeV."""
        return self.momentum[:, 3]

    def select(self, which: NDArray[np.bool_] | Ints) -> Particles:
        """Return the particles of a mask or of an array of indices."""
        return Particles(self.momentum[which], self.vertex[which], self.pdg[which], self.charge[which])

    def moved(self, angle: Floats, z: Floats) -> Particles:
        """Turn each particle about the beam axis by ``angle`` (rad) and shift its vertex along it by ``z`` (m)."""
        momentum, vertex = self.momentum.copy(), self.vertex.copy()
        momentum[:, :2] = _turned(self.momentum, angle)
        vertex[:, :2] = _turned(self.vertex, angle)
        vertex[:, 2] += z
        return Particles(momentum, vertex, self.pdg, self.charge)


def _turned(vectors: Floats, angle: Floats) -> Floats:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([vectors[:, 0] * cos - vectors[:, 1] * sin, vectors[:, 0] * sin + vectors[:, 1] * cos], axis=1)


def joined(parts: Sequence[Particles]) -> Particles:
    """Concatenate particles in the given order."""
    return Particles(
        np.concatenate([p.momentum for p in parts]),
        np.concatenate([p.vertex for p in parts]),
        np.concatenate([p.pdg for p in parts]),
        np.concatenate([p.charge for p in parts]),
    )


@dataclass(frozen=True)
class Batch:
    """A list of events: event ``i`` owns the particles ``offsets[i]`` to ``offsets[i + 1]``."""

    particles: Particles
    offsets: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def pick(self, events: Ints) -> tuple[Particles, Ints]:
        """Return the particles of the given events, one event after the other, and how many each has."""
        first, counts = self.offsets[events], np.diff(self.offsets)[events]
        before = np.cumsum(counts) - counts
        rows = np.repeat(first - before, counts) + np.arange(counts.sum())
        return self.particles.select(rows), counts


def batch_of(parts: Sequence[Batch]) -> Batch:
    """Concatenate lists of events."""
    counts = np.concatenate([np.diff(part.offsets) for part in parts])
    return Batch(joined([part.particles for part in parts]), np.concatenate([[0], np.cumsum(counts)]))
