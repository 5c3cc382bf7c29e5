"""Showers of electrons or photons in a sampling calorimeter, written to event files.

Everything random follows from the recipe's seed: a shower does not depend on the number of processes, and a recipe with
fewer showers gives the first ones of one with more.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from raise_hpo.errors import UserError, nearest
from trainables.blocks import Progress, made_in_blocks

from .schema import ANGLE_SHAPE, FIXED_SHAPE, Shape, Shower, write_showers

CASCADE = "cascade"
"""The source of showers that comes with the package."""
PARTICLES = {"electron": 11, "positron": -11, "photon": 22}
"""PDG codes by name."""
_BLOCK = 16
"""Showers that a process makes at a time."""


@dataclass(frozen=True)
class Recipe:
    """What to generate; energies are drawn evenly in their range, and so are angles.

    Attributes:
        events: number of showers.
        seed: not negative.
        particle: ``electron``, ``positron`` or ``photon``.
        least_energy: GeV.
        most_energy: GeV.
        least_angle: polar angle in degrees; 90 is along the normal of the layers.
        most_angle: degrees; where it is the least one too, cells are 25x25x25, else 51x51x25.
        cut_electron: MeV, `trainables.cascade.Cuts.electron`.
        cut_photon: MeV, its ``photon``.
        cut_radiation: MeV, its ``radiation``.
        source: ``cascade``, or ``module:function`` of a `trainables.calogan.sources.ShowerSource`, which has cuts of
            its own.
    """

    events: int
    seed: int
    particle: str = "electron"
    least_energy: float = 10.0
    most_energy: float = 500.0
    least_angle: float = 90.0
    most_angle: float = 90.0
    cut_electron: float = 1.0
    cut_photon: float = 0.1
    cut_radiation: float = 1.0
    source: str = CASCADE

    def __post_init__(self) -> None:
        if self.particle not in PARTICLES:
            raise UserError(f"unknown particle '{self.particle}'; {nearest(self.particle, PARTICLES)}")
        for name, least, most in (("events", 1, math.inf), ("seed", 0, math.inf)):
            if not least <= getattr(self, name) < most:
                raise UserError(f"{name} is {getattr(self, name)}, it must be at least {least}")
        self._check_range("energy", 0.01, 1e5, "GeV")
        self._check_range("angle", 45.0, 135.0, "degrees")
        self.cuts()

    def _check_range(self, name: str, least: float, most: float, unit: str) -> None:
        low, high = getattr(self, f"least_{name}"), getattr(self, f"most_{name}")
        if not least <= low <= high <= most:
            raise UserError(f"{name} from {low} to {high} {unit}: valid is a range within {least:g} to {most:g} {unit}")

    @property
    def shape(self) -> Shape:
        """The cells of a shower."""
        return FIXED_SHAPE if self.least_angle == self.most_angle == 90.0 else ANGLE_SHAPE

    def cuts(self) -> Any:
        """The cascade's cuts."""
        try:
            from trainables.cascade import Cuts
        except ImportError as error:
            raise UserError("generating showers needs numba: install raise-hpo[generate]") from error
        return Cuts(self.cut_electron, self.cut_photon, self.cut_radiation)

    def provenance(self) -> dict[str, Any]:
        """Say what makes these showers, for the metadata of the file."""
        made = "raise-hpo's own electromagnetic cascade; not Geant4" if self.source == CASCADE else self.source
        return {**dataclasses.asdict(self), "generator": made}


def shower(recipe: Recipe, index: int) -> Shower:
    """Make the shower of a recipe that has a number."""
    from .sources import cascade_cells, cells_of_deposits, load_source

    stream = np.random.SeedSequence(recipe.seed, spawn_key=(index,))
    rng, number = np.random.default_rng(stream), int(stream.generate_state(1)[0])
    energy = rng.uniform(recipe.least_energy, recipe.most_energy)
    theta = math.radians(rng.uniform(recipe.least_angle, recipe.most_angle))
    pdg = PARTICLES[recipe.particle]
    if recipe.source == CASCADE:
        cells = cascade_cells(pdg, energy, theta, number, recipe.shape, recipe.cuts())
    else:
        cells = cells_of_deposits(load_source(recipe.source)(pdg, energy, theta, number), recipe.shape)
    return Shower(cells, energy, theta)


def _block(recipe: Recipe, block: int) -> list[Shower]:
    return [shower(recipe, index) for index in range(block * _BLOCK, min((block + 1) * _BLOCK, recipe.events))]


def generate(recipe: Recipe, jobs: int = 1, progress: Progress | None = None) -> Iterator[Shower]:
    """Make the showers of a recipe, one by one.

    Args:
        recipe: what to generate.
        jobs: number of processes; the showers do not depend on it.
        progress: told about each shower.

    Raises:
        UserError: the recipe's source cannot be used, or numba is not installed.
    """
    blocks = range(-(-recipe.events // _BLOCK))
    for made, one in enumerate(chain.from_iterable(made_in_blocks(partial(_block, recipe), blocks, jobs)), 1):
        if progress:
            progress(recipe.particle, made, recipe.events)
        yield one


def generate_file(recipe: Recipe, path: str | Path, jobs: int = 1, progress: Progress | None = None) -> int:
    """Generate the showers of a recipe into a Parquet file and return how many there are."""
    return write_showers(generate(recipe, jobs, progress), path, recipe.provenance())
