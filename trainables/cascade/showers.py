"""Showers of single particles: a list of deposits in one medium, or the cells of a sampling calorimeter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raise_hpo.errors import UserError

from .materials import material
from .transport import DEPOSITED, LEAKED, STEPS, Geometry, Limits, Tally, transport

KINDS = {11: -1.0, 22: 0.0, -11: 1.0}
"""By PDG code: what can be followed."""
_WAITING = 4096
"""Particles that can wait to be followed; as the latest is followed first, some tens do."""
_POINTS = 65536
"""Deposits that are listed before they are copied away."""
_ENDLESS = 1e6
"""In cm: the thickness of the only slab of a homogeneous medium."""


@dataclass(frozen=True)
class Cuts:
    """How closely particles are followed: the lower, the slower.

    Attributes:
        electron: kinetic energy in MeV at which electrons and positrons stop.
        photon: energy in MeV at which photons are absorbed.
        radiation: energy in MeV above which bremsstrahlung photons are followed.
        step: longest step of an electron in radiation lengths.
    """

    electron: float = 1.0
    photon: float = 0.2
    radiation: float = 1.0
    step: float = 0.15

    def __post_init__(self) -> None:
        for name, least in (("electron", 0.01), ("photon", 0.01), ("radiation", 0.01), ("step", 1e-4)):
            if not least <= getattr(self, name) < math.inf:
                raise UserError(f"cut '{name}' is {getattr(self, name)}, it should be at least {least}")

    def limits(self) -> Limits:
        """The same as compiled code takes them."""
        return Limits(*(float(value) for value in (self.electron, self.photon, self.radiation, self.step)))


FINE = Cuts(step=0.015)
"""For lists of deposits, where the distance between neighbours counts."""


@dataclass(frozen=True)
class Slab:
    """A plate of a calorimeter; what is deposited in a sensitive one is seen."""

    material: str
    thickness: float
    sensitive: bool = False


@dataclass(frozen=True)
class Stack:
    """A sampling calorimeter: the same slabs one behind the other along z, from z = 0, `layers` times.

    Attributes:
        slabs: the slabs of a layer, thicknesses in cm.
        layers: how often they are repeated.
        half_width: particles that are farther than this from the z axis, in x or y, have left; in cm.
    """

    slabs: tuple[Slab, ...]
    layers: int
    half_width: float = 60.0

    @property
    def pitch(self) -> float:
        """The thickness of a layer in cm."""
        return sum(slab.thickness for slab in self.slabs)

    @property
    def depth(self) -> float:
        """The thickness of all layers in radiation lengths."""
        return self.layers * sum(slab.thickness / material(slab.material).radiation_length for slab in self.slabs)

    def geometry(self) -> Geometry:
        """The same as compiled code takes it."""
        thickness = np.array([slab.thickness for slab in self.slabs])
        media = np.stack([material(slab.material).row() for slab in self.slabs])
        sensitive = np.array([slab.sensitive for slab in self.slabs])
        return Geometry(media, sensitive, thickness, self.pitch, 0.0, self.layers * self.pitch, float(self.half_width))


@dataclass(frozen=True)
class Scored:
    """A shower in a calorimeter.

    Attributes:
        cells: ``(nx, ny, layers)``, MeV deposited in sensitive slabs.
        deposited: MeV deposited anywhere.
        leaked: MeV that left the calorimeter.
        steps: how many steps were taken.
    """

    cells: NDArray[np.float64]
    deposited: float
    leaked: float
    steps: int


def deposits(
    pdg: int,
    energy_mev: float,
    position_cm: Sequence[float],
    direction: Sequence[float],
    material: str = "LAr",
    cuts: Cuts = FINE,
) -> NDArray[np.float64]:
    """Follow a particle and all it makes through a medium without end.

    Args:
        pdg: 11 (electron), -11 (positron) or 22 (photon).
        energy_mev: kinetic energy.
        position_cm: x, y and z of the start.
        direction: of any length but 0.
        material: a name of `MATERIALS`.
        cuts: how closely.

    Returns:
        ``(n, 4)``: x, y, z in cm and MeV of each deposit, in no order. They add up to the energy, and to
        1.022 MeV more for a positron.

    Raises:
        UserError: particle, energy, direction or material cannot be.
    """
    medium = Stack((Slab(material, _ENDLESS, sensitive=True),), 1).geometry()
    geometry = medium._replace(low=-math.inf, high=math.inf, half_width=math.inf)
    stack = _primary(pdg, energy_mev, position_cm, direction)
    tally = Tally(np.empty((0, 0, 0)), 1.0, np.empty((_POINTS, 4)), np.zeros(1, np.int64), np.zeros(3))
    top, chunks = 1, []
    while top:
        tally.used[0] = 0
        top = transport(stack, top, geometry, tally, cuts.limits())
        chunks.append(tally.points[: tally.used[0]].copy())
    return np.concatenate(chunks)


def score(
    pdg: int,
    energy_mev: float,
    position_cm: Sequence[float],
    direction: Sequence[float],
    stack: Stack,
    cells: int = 25,
    cell_cm: float = 0.51,
    cuts: Cuts | None = None,
) -> Scored:
    """Follow a particle through a calorimeter and score it into ``cells`` by ``cells`` square cells a layer.

    The cells are arranged about the z axis; what is deposited outside of them counts as deposited but is not scored.

    Raises:
        UserError: particle, energy, direction or a material cannot be.
    """
    particles = _primary(pdg, energy_mev, position_cm, direction)
    tally = Tally(
        np.zeros((cells, cells, stack.layers)), float(cell_cm), np.empty((0, 4)), np.zeros(1, np.int64), np.zeros(3)
    )
    transport(particles, 1, stack.geometry(), tally, (cuts or Cuts()).limits())
    return Scored(tally.grid, tally.sums[DEPOSITED], tally.sums[LEAKED], int(tally.sums[STEPS]))


def _primary(
    pdg: int, energy_mev: float, position_cm: Sequence[float], direction: Sequence[float]
) -> NDArray[np.float64]:
    if pdg not in KINDS:
        raise UserError(f"cannot follow a particle with PDG code {pdg}; valid: {', '.join(map(str, KINDS))}")
    if not 0 < energy_mev < math.inf:
        raise UserError(f"the energy is {energy_mev} MeV, it should be positive and finite")
    unit = np.asarray(direction, float)
    length = np.linalg.norm(unit)
    if not 0 < length < math.inf:
        raise UserError(f"the direction is {tuple(direction)}, it should have a length")
    stack = np.empty((_WAITING, 8))
    stack[0] = (KINDS[pdg], energy_mev, *position_cm, *(unit / length))
    return stack
