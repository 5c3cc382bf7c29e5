"""What makes showers: the cascade of this package, or a program of the user's own, such as Geant4."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raise_hpo.errors import UserError
from trainables.cascade import Cuts, Slab, Stack, score, seed

from .schema import Shape

CELL = 0.51
"""cm, along x and y."""
CALORIMETER = Stack((Slab("W", 0.28), Slab("Si", 0.05, sensitive=True), Slab("Air", 0.18)), layers=25)
"""Tungsten and silicon, 20 radiation lengths: chosen to sample about 1/50 of a shower's energy as CLIC's calorimeter
does, but not its engineering geometry."""
AIM = 4.5
"""cm: the depth at which the axis of a shower crosses the middle of the window, whatever its angle."""

ShowerSource = Callable[[int, float, float, int], NDArray[np.floating[Any]]]
"""A function ``(pdg, energy, theta, seed)``, GeV and rad, that returns the deposits of a shower in sensitive material:
``(n, 4)`` of x, y, z in cm and GeV.

The particle enters at z = 0 where `start` says, and flies along ``(0, cos theta, sin theta)``. Deposits are sorted into
cells of `CELL` about the z axis and into layers of `CALORIMETER.pitch`. The seed decides the shower.
"""


def start(theta: float) -> tuple[float, float, float]:
    """Where the particle enters, in cm."""
    return (0.0, -AIM * math.cos(theta) / math.sin(theta), 0.0)


def load_source(name: str) -> ShowerSource:
    """Import a user's source by ``module:function``.

    Raises:
        UserError: there is no such module or function.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"cannot use the source '{name}': {error}; valid: 'cascade', 'module:function'") from error
    if not callable(found):
        raise UserError(f"the source '{name}' cannot be called")
    return found


def cascade_cells(pdg: int, energy: float, theta: float, number: int, shape: Shape, cuts: Cuts) -> NDArray[np.float32]:
    """The cells of a shower by the cascade of this package, in GeV."""
    seed(number)
    direction = (0.0, math.cos(theta), math.sin(theta))
    found = score(pdg, 1e3 * energy, start(theta), direction, CALORIMETER, shape[0], CELL, cuts)
    return (found.cells / 1e3).astype(np.float32)


def cells_of_deposits(deposits: NDArray[np.floating[Any]], shape: Shape) -> NDArray[np.float32]:
    """Sort deposits, ``(n, 4)`` of x, y, z in cm and GeV, into cells; those outside of them are left out.

    Raises:
        UserError: they are of another shape, or hold values that cannot be.
    """
    deposits = np.asarray(deposits, float)
    if deposits.ndim != 2 or deposits.shape[1] != 4:
        raise UserError(f"a source's deposits have the shape {deposits.shape}, it should be (n, 4): x, y, z, GeV")
    if not np.isfinite(deposits).all() or (deposits[:, 3] < 0).any():
        raise UserError("a source's deposits hold values that are not finite, or negative energies")
    half = CELL * shape[0] / 2
    limits = [(-half, half), (-half, half), (0.0, shape[2] * CALORIMETER.pitch)]
    cells, _ = np.histogramdd(deposits[:, :3], bins=shape, range=limits, weights=deposits[:, 3])
    return cells.astype(np.float32)
