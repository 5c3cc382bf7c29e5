"""The numbers of the detector: those of the Delphes card that made the public MLPF events.

The card is ``delphes_card_CMS_PileUp.tcl`` of jpata/particleflow, which simulated Zenodo 4559324: a CMS-like detector
with tracker, ECAL and HCAL. Its track resolutions follow arXiv:1405.6569, its ECAL resolution arXiv:1306.2016 and
arXiv:1502.02701. Momenta and energies are in GeV, lengths in metres, the field in tesla.

As in Delphes, efficiency and resolution are taken at the pseudorapidity of the point where a track leaves the tracker:
a soft particle that curls up and leaves through an end cap near the beam makes no track.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .particles import Floats, Ints

RADIUS = 1.29
HALF_LENGTH = 3.0
FIELD = 3.8
VERTEX_SPREAD = 0.053
VERTEX_LIMIT = 0.25
ANGULAR_RESOLUTION = 0.01
"""Smearing of a track's eta and phi (AngularSmearing of the card)."""

HADRON, ELECTRON, MUON = 0, 1, 2

# Per kind of track (hadron, electron, muon). Rows: barrel |eta| <= 1.5, endcap |eta| <= 2.5.
# Columns: 0.1 < pT <= 1, 1 < pT <= 100, pT > 100.
_EFFICIENCY = np.array(
    [
        [[0.70, 0.95, 0.95], [0.60, 0.85, 0.85]],
        [[0.73, 0.95, 0.99], [0.50, 0.83, 0.90]],
        [[0.75, 0.99, 0.99], [0.70, 0.98, 0.98]],
    ]
)
# Columns: |eta| <= 0.5, <= 1.5, <= 2.5.
_RESOLUTION_CONSTANT = np.array([[0.06, 0.10, 0.25], [0.03, 0.05, 0.15], [0.01, 0.015, 0.025]])
_RESOLUTION_SLOPE = np.array([[1.3e-3, 1.7e-3, 3.1e-3], [1.3e-3, 1.7e-3, 3.1e-3], [1.0e-4, 1.5e-4, 3.5e-4]])


def track_kind(pdg: Ints) -> Ints:
    """Say which formulae a charged particle follows: ``HADRON``, ``ELECTRON`` or ``MUON``."""
    return np.select([np.abs(pdg) == 11, np.abs(pdg) == 13], [ELECTRON, MUON], HADRON)


def track_efficiency(pt: Floats, eta: Floats, kind: Ints) -> Floats:
    """Probability that a charged particle leaves a track."""
    region = (np.abs(eta) > 1.5).astype(int)
    span = (pt > 1.0).astype(int) + (pt > 100.0)
    loss = np.where((kind == MUON) & (pt > 1e3), np.exp(0.5 - 5e-4 * pt), 1.0)
    efficiency: Floats = np.where((pt > 0.1) & (np.abs(eta) <= 2.5), _EFFICIENCY[kind, region, span] * loss, 0.0)
    return efficiency


def track_resolution(pt: Floats, eta: Floats, kind: Ints) -> Floats:
    """Relative resolution of a track's pT, at most 1; for tracks of ``|eta| <= 2.5``."""
    region = (np.abs(eta) > 0.5).astype(int) + (np.abs(eta) > 1.5)
    resolution: Floats = np.hypot(_RESOLUTION_CONSTANT[kind, region], pt * _RESOLUTION_SLOPE[kind, region])
    return np.minimum(resolution, 1.0)


@dataclass(frozen=True)
class TowerGrid:
    """Towers in eta and phi; the bins of phi are equal, their number depends on eta.

    Attributes:
        eta_edges: ascending edges in eta.
        phi_bins: the number of towers in phi between an edge and the one below it.
    """

    eta_edges: Floats
    phi_bins: Ints

    def locate(self, eta: Floats, phi: Floats) -> Ints:
        """Return a number that names the tower of each point, ascending in eta then phi; -1 outside the grid."""
        row = np.searchsorted(self.eta_edges, eta, side="left")
        inside = (row > 0) & (row < len(self.eta_edges))
        bins = self.phi_bins[np.where(inside, row, 1)]
        column = np.clip(((phi + np.pi) / (2 * np.pi) * bins).astype(np.int64), 0, bins - 1)
        return np.where(inside, row * 1024 + column, -1)

    def edges(self, tower: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        """Return lower eta, upper eta, lower phi and upper phi of towers named by ``locate``."""
        row, column = tower // 1024, tower % 1024
        width = 2 * np.pi / self.phi_bins[row]
        low = -np.pi + column * width
        return self.eta_edges[row - 1], self.eta_edges[row], low, low + width


def _grid(*groups: tuple[ArrayLike, int]) -> TowerGrid:
    bins_above = {round(float(edge), 6): bins for edges, bins in groups for edge in np.ravel(edges)}
    edges = sorted(bins_above)
    return TowerGrid(np.array(edges), np.array([bins_above[edge] for edge in edges]))


def _mirrored(edges: Sequence[float]) -> list[float]:
    return [-edge for edge in reversed(edges)] + list(edges)


_ECAL_GRID = _grid(
    (0.0174 * np.arange(-85, 87), 360),
    (-2.958 + 0.0174 * np.arange(1, 85), 360),
    (1.4964 + 0.0174 * np.arange(1, 85), 360),
    ([-2.958, *_mirrored([3.125, 3.3, 3.475, 3.65, 3.825, 4.0, 4.175, 4.35, 4.525, 4.7, 5.0])], 36),
)
_HCAL_FORWARD = [2.043, 2.172, 2.322, 2.5, 2.65, 2.868, 2.95, 3.125, 3.3, 3.475, 3.65, 3.825, 4.0, 4.175, 4.35]
_HCAL_GRID = _grid(
    (0.087 * np.arange(-18, 20), 72),
    ([-1.653, *_mirrored([1.74, 1.83, 1.93, *_HCAL_FORWARD]), 4.525], 36),
    ([-5.0, -4.7, -4.525, 4.7, 5.0], 18),
)


def _ecal_sigma(eta: Floats, energy: Floats) -> Floats:
    crystals = np.sqrt((0.008 * energy) ** 2 + 0.11**2 * energy + 0.40**2)
    forward = np.sqrt((0.107 * energy) ** 2 + 2.08**2 * energy)
    barrel, endcap = (1 + 0.64 * eta**2) * crystals, (2.16 + 5.6 * (np.abs(eta) - 2) ** 2) * crystals
    return np.select([np.abs(eta) <= 1.5, np.abs(eta) <= 2.5], [barrel, endcap], forward)


def _hcal_sigma(eta: Floats, energy: Floats) -> Floats:
    central = np.sqrt((0.05 * energy) ** 2 + 1.5**2 * energy)
    return np.where(np.abs(eta) <= 3.0, central, np.sqrt((0.13 * energy) ** 2 + 2.7**2 * energy))


@dataclass(frozen=True)
class Calorimeter:
    """One calorimeter of the card.

    Attributes:
        grid: its towers.
        sigma: energy resolution in GeV as a function of eta and energy.
        energy_min: a tower below this is not kept, nor an energy-flow excess.
        fractions: share of its energy that a particle leaves here, by ``|pdg|``.
        default_fraction: the share of every other particle.
        electromagnetic: whether it is the ECAL.
    """

    grid: TowerGrid
    sigma: Callable[[Floats, Floats], Floats]
    energy_min: float
    fractions: dict[int, float]
    default_fraction: float
    electromagnetic: bool
    significance_min: float = 2.0

    def fraction(self, pdg: Ints) -> Floats:
        """Share of a particle's energy that is left in this calorimeter."""
        conditions: list[NDArray[np.bool_]] = [np.abs(pdg) == code for code in self.fractions]
        return np.select(conditions, list(self.fractions.values()), self.default_fraction)


ECAL = Calorimeter(_ECAL_GRID, _ecal_sigma, 0.5, {11: 1.0, 22: 1.0, 111: 1.0, 310: 0.3, 3122: 0.3}, 0.0, True)
_INVISIBLE_IN_HCAL = dict.fromkeys([11, 22, 111, 12, 13, 14, 16], 0.0)
HCAL = Calorimeter(_HCAL_GRID, _hcal_sigma, 1.0, {**_INVISIBLE_IN_HCAL, 310: 0.7, 3122: 0.7}, 1.0, False)
